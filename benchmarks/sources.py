"""Does the memory that a data set takes to build grow with its rows?

Run: python -m benchmarks.sources [SOURCE ...] [ROWS ...], every source and 10,000 to a million rows if none is named.

Rows of each source's layout are generated; pictures are tiny, so that rows are what counts. Each size is read and
written as tables by a process of its own, whose peak memory is printed, and as a ratio to that of the first size.
"""

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.layouts import LAYOUTS
from pipeline_core.dataset.build import build_dataset, source_identity
from pipeline_core.dataset.sources import SOURCES
from pipeline_core.store.peak import peak_memory

ROWS = (10_000, 100_000, 1_000_000)


def build(root: Path, told: Mapping[str, object]) -> tuple[float, float]:
    """Return the seconds that tables took, and the peak memory of the process, MiB."""
    settings = SOURCES[str(told["name"])].settings.model_validate({**told, "path": root / "data"})
    started = time.perf_counter()
    source_identity(settings)
    (root / "artifact").mkdir()
    build_dataset(settings, root / "artifact")
    # Not ru_maxrss, which a new interpreter has from the process that generated the rows.
    return time.perf_counter() - started, peak_memory() / 2**20


def main() -> None:
    """Print a line a source and size."""
    sizes = [int(told) for told in sys.argv[1:] if told.isdecimal()] or ROWS
    for source in [told for told in sys.argv[1:] if not told.isdecimal()] or LAYOUTS:
        first = None
        for n in sizes:
            with tempfile.TemporaryDirectory() as folder:
                told = LAYOUTS[source](Path(folder) / "data", n)
                # A new interpreter: one that was forked would count what generating took.
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    seconds, peak = pool.apply(build, (Path(folder), told))
            first = first or peak
            ratio = f"{peak / first:4.2f} times the first"
            print(f"{source:>13} {n:>9,} rows: peak {peak:6,.0f} MiB, {ratio}, {seconds:6.1f} s", flush=True)


if __name__ == "__main__":
    main()
