"""What does a part of a step cost beside its work? Run: python -m benchmarks.partitions [parts].

A step of 1,000 parts, each of which draws and writes vectors as a shard of an extraction has them (1,000 of width 576
in float16) and does nothing else, is planned, built and sealed: part after part in this process, by two threads, by
tasks of Prefect on two threads and, where Ray is installed, on a cluster of two processes, a server's and a cluster's
start and end among their time. A plain loop that writes the same files comes first and last. Printed are seconds,
milliseconds a part, and those beyond the loop's.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from flows.inline import InlineRunner
from pipeline_core.config import load_config
from pipeline_core.pipeline import STAGES
from pipeline_core.planner.plan import Plan, Step
from pipeline_core.stage import DataSetStage, Partitioned, Subject, Work
from pipeline_core.store.artifacts import Store
from pipeline_core.store.fingerprint import StageKey
from pipeline_core.store.journal import journalled_run
from pipeline_core.threads import limited_threads

PARTS, ROWS, WIDTH = 1000, 1000, 576


class Stub(Partitioned[Subject, int], DataSetStage):
    """Writes files."""

    name = "stub"
    about = "Writes files of the size of shards."
    parts = PARTS

    def partitions(self, work: Work[Subject]) -> Sequence[int]:
        """Return the numbers of files."""
        return range(self.parts)

    def size(self, partition: int) -> int:
        """Return the rows of a file."""
        return ROWS

    def is_built(self, work: Work[Subject], partition: int) -> bool:
        """Look for the file."""
        return _file(work.folder, partition).is_file()

    def builder(self, work: Work[Subject]) -> Callable[[int, Callable[[int], None]], None]:
        """Return what writes a file."""

        def build(partition: int, advance: Callable[[int], None]) -> None:
            _write(work.folder, partition)
            advance(ROWS)

        return build

    def seal(self, work: Work[Subject], partitions: Sequence[int]) -> None:
        """See that all are there."""
        assert all(self.is_built(work, partition) for partition in partitions)


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number:05}.npy"


def _write(folder: Path, number: int) -> None:
    vectors = np.random.default_rng(number).standard_normal((ROWS, WIDTH), dtype=np.float32).astype(np.float16)
    partial = folder / f"{number:05}.partial"
    with partial.open("wb") as file:
        np.save(file, vectors)
    partial.replace(_file(folder, number))


def _loop(folder: Path) -> float:
    folder.mkdir()
    started = time.perf_counter()
    with limited_threads(1):
        for number in range(Stub.parts):
            _write(folder, number)
    return time.perf_counter() - started


def _run(root: Path, runner: str, workers: int) -> float:
    wanted = (f"placement.runner={runner}", f"placement.workers={workers}", "placement.threads=1")
    config = load_config(settings=wanted)
    subject = Subject(sections={}, placement=config.placement)
    Store(root)
    started = time.perf_counter()
    plan = Plan(config, {"stub": Step("stub", STAGES["stub"], StageKey("stub", 1), {}, subject)})
    with journalled_run(root, "analyze", {}, plan.run_artifacts()) as run:
        if runner == "inline":
            failure = InlineRunner()(plan, root, run)
        else:
            from prefect import flow  # noqa: PLC0415 - after its settings

            from flows.prefect_runner import submit_steps  # noqa: PLC0415 - after its settings

            failure = flow(lambda: submit_steps(plan, root, run), name="parts")()
    assert failure is None, failure
    return time.perf_counter() - started


def main() -> None:
    """Measure, and print a line a way."""
    Stub.parts = int(sys.argv[1]) if len(sys.argv) > 1 else PARTS
    STAGES["stub"] = Stub()
    ways = [("inline", 1), ("inline", 2), ("prefect", 2), *([("ray", 2)] if find_spec("prefect_ray") else [])]
    with tempfile.TemporaryDirectory() as folder:
        first = _loop(Path(folder) / "first")
        took = {way: _run(Path(folder) / "-".join(map(str, way)), *way) for way in ways}
        loop = (first + _loop(Path(folder) / "last")) / 2
    print(f"{'plain loop':<24} {loop:7.1f} s {1000 * loop / Stub.parts:7.2f} ms a part")
    for (runner, workers), seconds in took.items():
        a_part, beyond = 1000 * seconds / Stub.parts, 1000 * (seconds - loop / workers) / Stub.parts
        name = f"{runner}, {workers} worker{'s' if workers > 1 else ''}"
        print(f"{name:<24} {seconds:7.1f} s {a_part:7.2f} ms a part, {beyond:7.2f} beyond the loop's by as many")


if __name__ == "__main__":
    main()
