"""Does the memory that a data set takes to build grow with its rows? Run: python -m benchmarks.sources [rows ...].

A task of M-BEIR's shape is generated in Parquet, text to picture and text, a hundredth as many queries as candidates;
its pictures are tiny and shared, so that rows are what counts. Each size is read and written as tables by a process of
its own, whose peak memory is printed, and as a ratio to that of the first size.
"""

import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

from pipeline_core.dataset.build import build_dataset, source_identity
from pipeline_core.dataset.sources.mbeir import MBeirSettings
from pipeline_core.store.peak import peak_memory
from tests.dataset.sources.mbeir.making_shards import write_task

ROWS = (10_000, 100_000, 1_000_000)


def build(root: Path) -> tuple[float, float]:
    """Return the seconds that tables took, and the peak memory of the process, MiB."""
    settings = MBeirSettings.model_validate({"path": root / "data", "tasks": ["edis"]})
    started = time.perf_counter()
    source_identity(settings)
    (root / "artifact").mkdir()
    build_dataset(settings, root / "artifact")
    # Not ru_maxrss, which a new interpreter has from the process that generated the rows.
    return time.perf_counter() - started, peak_memory() / 2**20


def main() -> None:
    """Print a line a size."""
    first = None
    for n in map(int, sys.argv[1:] or ROWS):
        with tempfile.TemporaryDirectory() as folder:
            write_task(Path(folder) / "data", "mbeir_edis_task2", 3, "text", "image_text", {"test": n // 100}, n)
            # A new interpreter: one that was forked would count what generating took.
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                seconds, peak = pool.apply(build, (Path(folder),))
        first = first or peak
        print(f"{n:>9,} rows: peak {peak:6,.0f} MiB, {peak / first:4.2f} times the first, {seconds:6.1f} s", flush=True)


if __name__ == "__main__":
    main()
