"""Does a kill at any moment lose or change anything? Run: python -m benchmarks.kills [kills] [seed] [folder].

A small sweep of every stage is run undisturbed. Then, again and again, the artifact of a step drawn at random is taken
out of its store, a run that builds it is killed (-9) at a random moment, from its first look at the store to the
publication of the warehouse, and run again to its end. Every artifact that was finished must be there as it was, no run
may be left running, no file may be damaged, and `lens diff` must find no difference to the undisturbed run. In a folder
that is kept, many kills may be asked for in several goes.
"""

import multiprocessing
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess as Process
from pathlib import Path

from flows.inline import InlineRunner
from flows.running import run_plan
from pipeline_core.config import AnalysisConfig
from pipeline_core.planner.planning import plan_sweep
from pipeline_core.store.artifacts import Store
from pipeline_core.store.diff import diff_runs
from pipeline_core.store.journal import read_runs
from pipeline_core.store.manifest import MANIFEST
from tests.models import tiny
from tests.small import picture_folder, small_config

KILLS = 200
LOADED = ("torch", "transformers", "great_expectations", "pipeline_core.warehouse.build")


@dataclass(frozen=True)
class Kill:
    """One kill: of which step's build, how long after its start, what of it was there then, what was wrong after."""

    step: str
    seconds: float
    found: str
    wrong: tuple[str, ...]


def carry_out(config: str, root: Path) -> None:
    """Run what the store lacks of a config in JSON."""
    run_plan("sweep", plan_sweep(AnalysisConfig.model_validate_json(config)), root, InlineRunner())


def small_sweep(place: Path) -> AnalysisConfig:
    """Return the sweep that is killed: every stage, of a few pictures and of a generative model of three layers."""
    pictures = picture_folder(place / "pictures")
    model = f"model={{name: {tiny.save_llava(place / 'llava')}, alias: llava}}"
    return small_config(pictures, model, "compare_with=[]")


def kills(place: Path, n: int, seed: int) -> Iterator[Kill]:
    """Kill ``n`` runs, in a folder that may be filled; each is told when what followed it was looked at."""
    # Processes are forked from one that has loaded all libraries and started no thread.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *LOADED])
    config, whole, root, drawn = small_sweep(place), place / "whole", place / "cut", random.Random(seed)

    def started(store: Path) -> Process:
        process = context.Process(target=carry_out, args=(config.model_dump_json(by_alias=True), store))
        process.start()
        return process

    def ends(store: Path) -> float:
        clock, process = time.monotonic(), started(store)
        process.join()
        assert process.exitcode == 0, "a run that nobody killed failed"
        return time.monotonic() - clock

    ends(whole)
    if not root.exists():
        shutil.copytree(whole, root)
    ends(root)
    beside = ends(root)  # seconds of a run that builds nothing: to plan, look, journal and publish the warehouse
    plan, store = plan_sweep(config), Store(root)
    while n:
        stage = drawn.choice(sorted({step.stage for step in plan.steps.values()}))
        step = drawn.choice([step for step in plan.steps.values() if step.stage == stage])
        folder = store.folder(step.key)
        moment = drawn.uniform(0.0, beside + store.get(step.key).manifest.seconds)
        shutil.rmtree(folder)
        before, victim = _finished(root), started(root)
        victim.join(moment)
        victim.kill()
        victim.join()
        if victim.exitcode == 0:
            continue  # it had ended before: that was no kill
        assert victim.exitcode == -signal.SIGKILL, "a run failed before it was killed"
        n -= 1
        built = any(folder.parent.glob(f".partial-{folder.name}/*"))
        found = "published" if folder.exists() else "in part" if built else "nothing"
        before = _finished(root) | before
        wrong = [f"{run.run_id} is running" for run in read_runs(root) if run.state == "running"]
        ends(root)
        after = _finished(root)
        wrong += [f"{path} changed" for path, was in before.items() if after.get(path) != was]
        yield Kill(step.name, moment, found, (*wrong, *_differences(root, whole)))


def _finished(root: Path) -> dict[Path, bytes]:
    """Return what tells that an artifact is there, and when and from what it was built, by its place."""
    return {path: path.read_bytes() for path in root.glob(f"*/*/{MANIFEST}") if not path.parent.name.startswith(".")}


def _differences(root: Path, other: Path) -> Iterator[str]:
    """Tell what the last runs of two stores differ in, and what is damaged."""
    records = [str(store / "runs" / f"{read_runs(store)[-1].run_id}.json") for store in (root, other)]
    for difference in diff_runs(root, *records):
        yield f"{difference.name} differs: {difference.what}"
    for problem in Store(root).verify():
        yield f"{problem.artifact}: {problem.file} {problem.what}"


def main() -> int:
    """Print a line a kill, and what was wrong."""
    asked = sys.argv[1:]
    n, seed = int(asked[0]) if asked else KILLS, int(asked[1]) if len(asked) > 1 else 0
    wrong, counted, started = 0, Counter[str](), time.monotonic()
    with tempfile.TemporaryDirectory() as passing:
        for number, kill in enumerate(kills(Path(asked[2] if len(asked) > 2 else passing), n, seed), 1):
            wrong += len(kill.wrong)
            counted[kill.found] += 1
            judged = "; ".join(kill.wrong) or "no difference"
            print(f"{number:>4} {kill.step:<45} {kill.seconds:5.1f} s, {kill.found}: {judged}", flush=True)
    took = time.monotonic() - started
    print(f"{n} kills (seed {seed}) in {took:.0f} s: {dict(counted)}, {wrong} things wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
