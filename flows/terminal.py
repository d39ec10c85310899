"""What people look at: answers, tables, and progress, one bar a step."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

_ANY_WIDTH = 1 << 20

out = Console(soft_wrap=True)
err = Console(stderr=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], wide: int | None = None) -> None:
    """Print a table as wide as the terminal; into a pipe, each row as one whole line.

    Args:
        columns: what stands above each; nothing that a column holds is ever cut.
        rows: their cells.
        wide: the width of the last column that the others, all alike, leave it.
    """
    last = len(columns) - 1
    borders = 3 * len(columns) + 1
    room = None if wide is None or not out.is_terminal else (out.width - wide - borders) // last
    table = Table(*(Column(name, overflow="fold", max_width=room) for name in columns[:last]), columns[last])
    for row in rows:
        table.add_row(*map(escape, row))
    whole = out.measure(table, options=out.options.update(max_width=_ANY_WIDTH)).maximum
    (out if out.is_terminal else Console(file=out.file, width=whole)).print(table)


@contextmanager
def progress_bars(console: Console) -> Iterator[Callable[[str, int, int], None] | None]:
    """Draw a bar a step while a run goes on; yields what is to be told (step, done, in all), None without a terminal.

    To be entered before any flow is imported: Prefect reads its log level then.
    """
    if not console.is_terminal:
        yield None
        return
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bars: dict[str, TaskID] = {}

        def listen(name: str, done: int, total: int) -> None:
            if name not in bars:
                bars[name] = progress.add_task(name, total=total)
            progress.update(bars[name], completed=done, total=total)

        yield listen
