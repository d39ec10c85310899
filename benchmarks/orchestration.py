"""What does orchestration cost? Run: python -m benchmarks.orchestration [words of lens run, as --preset emoji-quick].

By the command with its temporary server: a cold run against the seconds of its steps, and the same again when nothing
has changed; then that once more through a deployment of a service that runs, from the click to the end. Without words
a dual encoder is analysed on a few pictures: its seconds beside the steps are about those of the demo, their share is
not. Expected of the demo: at most 5% beside the steps; of an unchanged rerun 3 s by the command, 15 s by a deployment.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from flows import environment
from pipeline_core.store.journal import read_runs
from tests.long.service import Running, lens
from tests.small import SMALL, picture_folder

PATIENCE = 3600.0


def small(place: Path) -> list[str]:
    """Return the words of a small analysis."""
    pictures = picture_folder(place / "pictures")
    own = ("dataset.name=folder", f"dataset.path={pictures}", "model.name=reference-contrastive", "compare_with=[]")
    return [word for value in (*own, *SMALL) for word in ("--set", value)]


def timed(words: Sequence[str], store: Path) -> float:
    """Return the seconds of one run by the command."""
    started = time.monotonic()
    lens("run", *words, "--store", str(store), seconds=PATIENCE)
    return time.monotonic() - started


def main() -> None:
    """Print a line a run."""
    environment.prepare()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        words = sys.argv[1:] or small(Path(folder))
        cold = timed(words, store)
        (run,) = read_runs(store)
        steps = sum(used.seconds or 0.0 for used in run.artifacts)
        beside = cold - steps
        print(
            f"cold: {cold:.1f} s, its {len(run.artifacts)} steps {steps:.1f} s, beside them {beside:.1f} s "
            f"({beside / cold:.1%})"
        )
        print(f"unchanged, by the command: {timed(words, store):.1f} s")
        lens("up", "--store", str(store))
        try:
            running = Running(store)
            for _ in range(2):
                started = time.monotonic()
                state = running.end_of(running.start("analyze/interactive", {"config": run.config}), PATIENCE)
                print(f"unchanged, by a deployment: {time.monotonic() - started:.1f} s, {state['name']}")
        finally:
            lens("down", "--store", str(store))


if __name__ == "__main__":
    main()
