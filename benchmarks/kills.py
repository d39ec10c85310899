"""Does a kill at any moment lose or change anything? Run: python -m benchmarks.kills [kills] [seed].

A small sweep is run undisturbed. Then, again and again, the artifact of a step drawn at random is taken out of its
store, a run that builds it is killed (-9) at a random moment, from its first look at the store to the publication of
the warehouse, and run again to its end. Every artifact that was finished must be there unchanged, no run may be left
running, no file may be damaged, and `lens diff` must find no difference to the undisturbed run.
"""

import multiprocessing
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flows import environment
from flows.inline import InlineRunner
from flows.running import run_plan
from pipeline_core.planner.plan import Plan
from pipeline_core.planner.planning import plan_sweep
from pipeline_core.store.artifacts import Store
from pipeline_core.store.diff import diff_runs
from pipeline_core.store.journal import read_runs
from pipeline_core.store.manifest import MANIFEST
from tests.small import picture_folder, small_config

KILLS, SEED = 200, 0
LOADED = ("torch", "transformers", "great_expectations", "pipeline_core.warehouse.build")
ROUND = 3.0
"""Seconds beside those of its build that a run of one step takes, to plan, look, journal and publish the warehouse."""


@dataclass(frozen=True)
class Kill:
    """One kill: of which step's build, how long after its start, what of it was there then, what was wrong after."""

    step: str
    seconds: float
    found: str
    wrong: tuple[str, ...]


def small_plan(pictures: Path) -> Plan:
    """Plan the sweep that is killed: every stage but those that run a generative model again."""
    return plan_sweep(small_config(pictures, "model.name=reference-contrastive", "compare_with=[]"))


def carry_out(pictures: Path, root: Path) -> None:
    """Run what the store lacks."""
    run_plan("sweep", small_plan(pictures), root, InlineRunner())


def compare(root: Path, other: Path, wrong: "multiprocessing.SimpleQueue[str | None]") -> None:
    """Tell what the last runs of two stores differ in, and what is damaged."""
    records = [str(store / "runs" / f"{read_runs(store)[-1].run_id}.json") for store in (root, other)]
    for difference in diff_runs(root, *records):
        wrong.put(f"{difference.name} differs: {difference.what}")
    for problem in Store(root).verify():
        wrong.put(f"{problem.artifact}: {problem.file} {problem.what}")
    wrong.put(None)


def kills(place: Path, n: int, seed: int) -> Iterator[Kill]:
    """Kill ``n`` runs, in a folder that may be filled; each is told when what followed it was looked at."""
    environment.prepare()
    # Processes are forked from one that has loaded all libraries and started no thread.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *LOADED])
    drawn, pictures, whole, root = (
        random.Random(seed),
        picture_folder(place / "pictures"),
        place / "whole",
        place / "cut",
    )

    def ends(*arguments: Path) -> None:
        process = context.Process(target=carry_out, args=arguments)
        process.start()
        process.join()
        assert process.exitcode == 0, "a run that nobody killed failed"

    ends(pictures, whole)
    shutil.copytree(whole, root)
    plan, store = small_plan(pictures), Store(root)
    seconds = {
        name: Store(whole).find(step.stage, step.key.short).manifest.seconds for name, step in plan.steps.items()
    }
    for _ in range(n):
        name = drawn.choice(list(plan.steps))
        folder = store.folder(plan.steps[name].key)
        shutil.rmtree(folder)
        finished = {path: path.read_bytes() for path in root.glob(f"*/*/{MANIFEST}")}
        moment = drawn.uniform(0.0, 1.5 * seconds[name] + ROUND)
        victim = context.Process(target=carry_out, args=(pictures, root))
        started = time.monotonic()
        victim.start()
        victim.join(moment)
        victim.kill()
        victim.join()
        seen = time.monotonic() - started
        built = any(folder.parent.glob(f".partial-{folder.name}/*"))
        found = "published" if folder.exists() else "in part" if built else "nothing"
        wrong = [f"{path} changed" for path, was in finished.items() if not path.is_file() or path.read_bytes() != was]
        wrong += [f"{run.run_id} is running" for run in read_runs(root) if run.state == "running"]
        ends(pictures, root)
        told = context.SimpleQueue()
        judge = context.Process(target=compare, args=(root, whole, told))
        judge.start()
        wrong += iter(told.get, None)
        judge.join()
        yield Kill(name, seen, found, tuple(wrong))


def main() -> int:
    """Print a line a kill, and what was wrong."""
    n, seed = (int(word) for word in (*sys.argv[1:], *map(str, (KILLS, SEED)[len(sys.argv) - 1 :])))
    wrong, counted = 0, Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        for number, kill in enumerate(kills(Path(folder), n, seed), 1):
            wrong += len(kill.wrong)
            counted[kill.found] += 1
            judged = "; ".join(kill.wrong) or "no difference"
            print(f"{number:>4} {kill.step:<45} {kill.seconds:5.1f} s, {kill.found}: {judged}", flush=True)
    print(f"{n} kills (seed {seed}): {dict(counted)}, {wrong} things wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
