"""What people look at: answers, tables, and the progress of a run."""

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column, Table
from rich.text import Text

from flows.units import duration
from tasks.events import write_as_asked
from tasks.pace import Pace

_ANY_WIDTH = 1 << 20
_LEAST, _BORDERS = 24, 3
"""Width that a last column must be left to be folded, and what a column takes beside its cells."""

_UNSEEN = dict.fromkeys(range(128, 160), "�")
_UNSEEN |= {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\t\n"}
_UNSEEN[0x7F] = "\N{SYMBOL FOR DELETE}"
"""What is shown for characters that would steer the terminal: pictures of them."""


class TextConsole(Console):
    """Shows texts as they are: what reads like the name of an emoji, or like an order to the terminal, is a caption."""

    def __init__(self, **options: Any) -> None:
        """Take the options of a console."""
        super().__init__(emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Render a text, every character of which can be seen."""
        return super().render_str(text.translate(_UNSEEN), **options)


out = TextConsole(soft_wrap=True)
err = TextConsole(stderr=True)


def complain(line: str, style: str | None = "red") -> None:
    """Tell in one line what ends or hinders a command; where events are asked for, as one of them."""
    if write_as_asked():
        logging.getLogger("lens").error("%s", line)
        return
    err.print(f"lens: {line}", style=style, markup=False, highlight=False, soft_wrap=True)


def speak_any_locale() -> None:
    """Have characters written that the terminal's encoding lacks, as their codes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], wide: int = _LEAST) -> None:
    """Print a table as wide as the terminal, its last column folded if need be; into a pipe, each row as one line.

    Args:
        columns: what stands above each; nothing that a column holds is ever cut.
        rows: their cells.
        wide: the least width of the last column: where the others leave it less, rows are printed as records.
    """
    table = Table(*columns[:-1], Column(columns[-1], overflow="fold"))
    for row in rows:
        table.add_row(*map(escape, row))
    others = sum(_width(column) for column in table.columns[:-1])
    if out.is_terminal and others + wide + _BORDERS * len(columns) + 1 <= out.width:
        for column in table.columns[:-1]:
            column.no_wrap = True
        out.print(table)
    else:
        print_whole(table)


def print_whole(table: Table) -> None:
    """Print a table as wide as it is; where the terminal is too narrow for that, each row as a record of lines."""
    whole = out.measure(table, options=out.options.update(max_width=_ANY_WIDTH)).maximum
    if not out.is_terminal:
        TextConsole(file=out.file, width=whole).print(table)
    elif whole <= out.width:
        out.print(table)
    else:
        _print_records(table)


def _print_records(table: Table) -> None:
    names = [str(column.header) for column in table.columns]
    for number, cells in enumerate(zip(*(column.cells for column in table.columns), strict=True), start=1):
        out.rule(f"{number}", align="left", style="dim")
        record = Table.grid(Column(style="bold", no_wrap=True), Column(overflow="fold"), padding=(0, 2, 0, 0))
        for name, cell in zip(names, cells, strict=True):
            record.add_row(name, cell)
        out.print(record)
    if table.caption:
        out.print(table.caption, style="dim")


def _width(column: Column) -> int:
    """Return the width of a column's widest line, its header's among them."""
    return max(out.measure(cell).maximum for cell in (column.header, *column.cells))


@contextmanager
def progress_line(console: Console, steps: Sequence[str]) -> Iterator[Callable[[str, int, int], None] | None]:
    """Show in one line, while a run goes on, which of its steps is at work, how far it is, and how long it will take.

    Yields what is to be told (step, units of work done, and in all), None without a terminal. To be entered before any
    flow is imported: Prefect reads its log level then.
    """
    if not console.is_terminal:
        yield None
        return
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")

    columns = (TextColumn("{task.description}", markup=False), BarColumn(10), TextColumn("{task.fields[told]}"))
    with Progress(*columns, console=console, transient=True) as progress:
        line = progress.add_task("", total=None, told="")
        paces: dict[str, Pace] = {}

        def listen(name: str, done: int, total: int) -> None:
            left = paces.setdefault(name, Pace()).left(done, total)
            told = (f"{done}/{total}" if done else "", "" if left is None else f"{duration(left)} left")
            place = f"{steps.index(name) + 1} of {len(steps)}"
            whole = total if done else None
            progress.update(
                line, description=f"{place}  {name}", completed=done, total=whole, told="  ".join(filter(None, told))
            )

        yield listen
