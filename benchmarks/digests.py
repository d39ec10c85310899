"""What does reading a store against its digests cost, beside only reading it? Run: python -m benchmarks.digests STORE.

Both read every file of every artifact, as many at once as there are cores, in turns: the ratio is the price of
checking. Then what a run pays that builds upon all of it: the first look of a process, and every further one.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline_core.store.artifacts import Store
from pipeline_core.store.digests import digest_once, file_digest

TURNS, BLOCK = 5, 1 << 18


def only_read(path: Path) -> None:
    """Read a file, by blocks as large as those that digests are made of."""
    block = bytearray(BLOCK)
    with path.open("rb", buffering=0) as file:
        while file.readinto(block):
            pass


def seconds(of_each: Callable[[Path], object], files: list[Path]) -> float:
    """Return how long it takes to do something with every file."""
    clock = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(of_each, files))
    return time.perf_counter() - clock


def main() -> None:
    """Measure, and print four lines."""
    artifacts = Store(Path(sys.argv[1])).artifacts()
    files = [artifact.folder / entry.path for artifact in artifacts for entry in artifact.manifest.files]
    gigabytes = sum(file.stat().st_size for file in files) / 1e9
    seconds(only_read, files)  # what lies in the system's cache then does for both sides
    turns = [(seconds(only_read, files), seconds(file_digest, files)) for _ in range(TURNS)]
    read, digested = (statistics.median(side) for side in zip(*turns, strict=True))
    ratio = statistics.median(digest / plain for plain, digest in turns)
    print(f"{len(artifacts)} artifacts, {len(files)} files, {gigabytes:.2f} GB, {os.cpu_count()} cores")
    print(f"read          {read:7.2f} s  {gigabytes / read:6.2f} GB/s")
    print(f"with digests  {digested:7.2f} s  {gigabytes / digested:6.2f} GB/s  {ratio:.1f} x reading")
    print(f"first look    {seconds(digest_once, files):7.2f} s, every further one {seconds(digest_once, files):.3f} s")


if __name__ == "__main__":
    main()
