"""Does the service outlive what happens to it? Run: python -m benchmarks.service.

From nothing: ``lens up`` starts server, worker and deployments for an empty store; a schedule begins an analysis; it is
run again with another setting, as the UI's Custom run does; then, each time from nothing and in the middle of it, the
flow's process is killed (-9), the worker, both, the server, all three. What is left of the run is crashed within two
minutes, or completes; a retry, as the UI's, goes on from the store; the tables are those of a run that nothing
disturbed. ``lens down`` ends all. A line says what became of each; anything else than that ends in an error.
"""

import tempfile
from pathlib import Path

from flows.inline import InlineRunner
from flows.running import run_plan
from pipeline_core.planner.planning import plan_analysis
from tests.long.service import KILLS, Running, differences, lens
from tests.small import picture_folder, small_config


def main() -> None:
    """Print what became of each run."""
    with tempfile.TemporaryDirectory() as place:
        pictures = picture_folder(Path(place) / "pictures", n=96)
        config = small_config(pictures, "model.name=reference-contrastive", "compare_with=[]")
        undisturbed = Path(place) / "undisturbed"
        run_plan("analyze", plan_analysis(config), undisturbed, InlineRunner())

        running = Running(Path(place) / "store")
        print(lens("up", "--store", str(running.store)))
        try:
            values = config.model_dump(mode="json", by_alias=True)
            told("scheduled", running, running.start_by_schedule("analyze/nightly-contrastive", {"config": values}))
            values["features"]["share"] = 0.1
            told("with another setting", running, running.start("analyze/interactive", {"config": values}))
            for victims in KILLS:
                became = running.killed_and_retried(config, victims)
                print(f"{' and '.join(victims)} killed: {became}", flush=True)
                assert not differences(running.store, undisturbed), "the tables differ"
        finally:
            print(lens("down", "--store", str(running.store)))


def told(how: str, running: Running, run: str) -> None:
    """Say how a run ended, and how many of its steps were built."""
    state, steps = running.end_of(run, 600), list(running.tasks(run).values())
    assert state["type"] == "COMPLETED", state
    built, cached = (steps.count(state) for state in ("Completed", "Cached"))
    print(f"{how}: {running.run(run)['name']}: {built} built, {cached} cached", flush=True)


if __name__ == "__main__":
    main()
