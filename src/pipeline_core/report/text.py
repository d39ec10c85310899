"""Numbers and names as the report writes them."""

_MODALITIES = {"i": "picture", "t": "text", "it": "picture + text"}


def percent(share: float, digits: int = 1) -> str:
    """Write a share of one as a percentage: 22.8%."""
    return f"{100 * share:.{digits}f}%"


def in_percent(share: float) -> str:
    """Write a share of one in percent, its sign left to the heading: 22.8."""
    return f"{100 * share:.1f}"


def points(delta: float) -> str:
    """Write a difference of shares in percentage points, with its sign: +19.6."""
    text = f"{100 * delta:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def interval(low: float, high: float) -> str:
    """Write a 95% interval of a share, in percent: 18.6 to 27.1."""
    return f"{100 * low:.1f} to {100 * high:.1f}"


def points_interval(low: float, high: float) -> str:
    """Write a 95% interval of a difference, in percentage points: −0.3 to +1.9."""
    return f"{points(low)} to {points(high)}"


def probability(p: float) -> str:
    """Write a p value: <0.001 or three digits."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def number(value: float) -> str:
    """Write a quantity of any size with three significant digits."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}".replace("-", "−")


def share_of_tasks(n: int, total: int) -> str:
    """Write how many tasks: 7 of 9 tasks."""
    return f"{n} of {total} task{'' if total == 1 else 's'}"


def task_title(task_type: str) -> str:
    """Spell out a task type: it->i is picture + text → picture."""
    query, _, candidate = task_type.partition("->")
    return f"{_MODALITIES.get(query, query)} → {_MODALITIES.get(candidate, candidate)}"
