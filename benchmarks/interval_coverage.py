"""How often 95% intervals hold the truth, with few families and many: `python -m benchmarks.interval_coverage`.

Families have the sizes that the demo's have; the hits of a family hang together (intra-class correlation 0.2 or 0.5). A
case is a hit rate, or the difference of two systems on the same queries whose families' rates correlate by 0.7.
"""

import argparse
from collections.abc import Callable, Iterator

import numpy as np
from scipy import stats

from pipeline_core.retrieval.significance import bootstrap_intervals

FEW = (37, 35, 22, 19, 19, 14, 13, 13, 13, 13, 13, 12, 12, 10, 9, 8, 7, 6, 6, 4, 4, 3, 3, 2, 2, 1)
"""Queries of each family of a composed task of the demo; a simulated family has one of these sizes."""

MANY = (6, 3, 3, 3, 3, 3, 3, 2, *(1,) * 112)
CASES = (
    ("rate", 0.03, 0.0, 0.2),
    ("rate", 0.1, 0.0, 0.2),
    ("rate", 0.3, 0.0, 0.2),
    ("rate", 0.55, 0.0, 0.5),
    ("rate", 0.9, 0.0, 0.2),
    ("difference", 0.15, 0.03, 0.2),
    ("difference", 0.3, 0.3, 0.2),
    ("difference", 0.5, 0.45, 0.5),
)
Values = np.ndarray
Method = Callable[[Values, Values, float, np.random.Generator], tuple[float, float]]


def percentile(values: Values, groups: Values, least: float, rng: np.random.Generator) -> tuple[float, float]:
    """Quantiles of the resampled means."""
    low, high = np.quantile(_resampled(values, groups, rng), (0.025, 0.975))
    return float(low), float(high)


def bca(values: Values, groups: Values, least: float, rng: np.random.Generator) -> tuple[float, float]:
    """Percentiles corrected for bias and acceleration."""
    means, mean = _resampled(values, groups, rng), values.mean()
    sums, sizes = np.bincount(groups, values), np.bincount(groups)
    left = (sums.sum() - sums) / (sizes.sum() - sizes)
    away = left.mean() - left
    spread = np.square(away).sum() ** 1.5
    acceleration = 0.0 if spread == 0 else (away**3).sum() / (6 * spread)
    bias = stats.norm.ppf(np.clip(((means < mean).mean() + (means <= mean).mean()) / 2, 1e-4, 1 - 1e-4))
    z = bias + stats.norm.ppf((0.025, 0.975))
    low, high = np.quantile(means, stats.norm.cdf(bias + z / (1 - acceleration * z)))
    return float(low), float(high)


def wild(values: Values, groups: Values, least: float, rng: np.random.Generator) -> tuple[float, float]:
    """The wild cluster bootstrap with Webb's six weights, symmetric."""
    sums, sizes = np.bincount(groups, values), np.bincount(groups)
    total, n = sizes.sum(), len(sizes)
    influence, share = (sums - values.mean() * sizes) / total, sizes / total
    weights = rng.choice(np.sqrt((0.5, 1.0, 1.5)), (999, n)) * rng.choice((-1.0, 1.0), (999, n))
    moved = weights @ influence
    squares = np.square(weights) @ np.square(influence) - 2 * moved * (weights @ (influence * share))
    far = np.abs(moved) / np.sqrt(np.maximum(squares + np.square(moved) * (share @ share), 1e-30))
    reach = np.quantile(far, 0.95) * np.sqrt(np.square(influence).sum() * n / (n - 1))
    return float(values.mean() - reach), float(values.mean() + reach)


def studentised(values: Values, groups: Values, least: float, rng: np.random.Generator) -> tuple[float, float]:
    """What the project uses."""
    low, high = bootstrap_intervals(values[None], groups, 999, rng, least)
    return float(low[0]), float(high[0])


METHODS: dict[str, Method] = {"percentile": percentile, "BCa": bca, "wild": wild, "studentised": studentised}


def main() -> None:
    """Print a line for each number of families and case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1000)
    repeats = parser.parse_args().repeats
    print("families case rate minus correlation", *(f"{name}(width)" for name in METHODS))
    for count, sizes in ((26, FEW), (372, MANY)):
        for kind, rate, other, correlation in CASES:
            found: dict[str, list[tuple[bool, float]]] = {name: [] for name in METHODS}
            rng = np.random.default_rng(0)
            for values, groups in _drawn(repeats, count, sizes, (rate, other), correlation, rng):
                for name, method in METHODS.items():
                    low, high = method(values, groups, -1.0 if other else 0.0, rng)
                    found[name].append((low - 1e-12 <= rate - other <= high + 1e-12, high - low))
            told = (
                f"{100 * np.mean([hit for hit, _ in own]):.1f}({np.median([width for _, width in own]):.3f})"
                for own in found.values()
            )
            print(count, kind, rate, other, correlation, *told, flush=True)


def _drawn(
    repeats: int,
    count: int,
    sizes: tuple[int, ...],
    rates: tuple[float, float],
    correlation: float,
    rng: np.random.Generator,
) -> Iterator[tuple[Values, Values]]:
    scale = (1 - correlation) / correlation
    for _ in range(repeats):
        groups = np.repeat(np.arange(count), rng.choice(sizes, count))
        first = rng.standard_normal(count)
        second = 0.7 * first + np.sqrt(1 - 0.49) * rng.standard_normal(count)
        hits = [
            rng.random(len(groups)) < stats.beta.ppf(stats.norm.cdf(z), rate * scale, (1 - rate) * scale)[groups]
            for z, rate in zip((first, second), rates, strict=True)
            if rate
        ]
        yield np.subtract(*hits, dtype=np.float64) if len(hits) == 2 else hits[0].astype(np.float64), groups


def _resampled(values: Values, groups: Values, rng: np.random.Generator) -> Values:
    sums, sizes = np.bincount(groups, values), np.bincount(groups)
    drawn = rng.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), 999)
    return np.asarray(drawn @ sums / (drawn @ sizes))


if __name__ == "__main__":
    main()
