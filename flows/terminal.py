"""Progress in a terminal: one bar a step."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


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
