"""What does orchestration cost? Run: python -m benchmarks.orchestration cold [turns] [preset], or rerun STORE [turns].

``cold`` runs the same analysis from nothing by both runners in turn, without a server and with Prefect's, a temporary
server's start and end among its time: a small analysis, or a preset such as emoji-quick, the demo. It prints seconds,
processor seconds and the ratio of each turn. ``rerun`` runs again, unchanged, what a store's latest run was: by the
command, and through a deployment of the store's service, which it starts, from the moment that the UI's Run is pressed.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipeline_core.store.journal import read_runs
from tests.command import LENS
from tests.long.service import Running, lens
from tests.small import picture_folder, small_config

DEPLOYMENTS = {"analyze": "analyze/interactive", "compare": "compare/after-nightly", "sweep": "sweep/weekly"}


def cold(turns: int, preset: str | None) -> None:
    """Print what each runner takes from nothing, and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        words = ["--preset", preset] if preset else ["--config", str(_small(place))]
        ratios = []
        for turn in range(turns):
            order = ("inline", "prefect") if turn % 2 == 0 else ("prefect", "inline")
            took = {}
            for runner in order:
                store = place / f"{runner}-{turn}"
                took[runner], processor = _timed("run", "--runner", runner, "--store", str(store), *words)
                print(
                    f"turn {turn + 1}, {runner:<8} {took[runner]:8.1f} s {processor:8.1f} s of processors", flush=True
                )
            ratios.append(took["prefect"] / took["inline"])
            print(f"turn {turn + 1}  prefect / inline {ratios[-1]:.3f}", flush=True)
        print(f"orchestration: {100 * (statistics.median(ratios) - 1):+.1f}% (median of {turns} turns)")


def rerun(store: Path, turns: int) -> None:
    """Print the seconds of an unchanged rerun by the command and through a deployment."""
    latest = read_runs(store)[-1]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.json"
        config.write_text(json.dumps(latest.config))
        command = "sweep" if latest.flow == "sweep" else "run"
        words = (command, "--config", str(config), "--store", str(store))
        by_command = [_timed(*words)[0] for _ in range(turns)]
    running = Running(store.resolve())
    print(lens("up", "--store", str(store)))
    try:
        through = []
        for _ in range(turns):
            pressed = time.monotonic()
            run = running.start(DEPLOYMENTS[latest.flow], {"config": latest.config})
            assert running.end_of(run, 600)["type"] == "COMPLETED"
            through.append(time.monotonic() - pressed)
            assert set(running.tasks(run).values()) == {"Cached"}
    finally:
        print(lens("down", "--store", str(store)))
    for way, took in (("command", by_command), ("deployment", through)):
        print(
            f"unchanged rerun, {way:<10} {statistics.median(took):5.1f} s  (each {' '.join(f'{t:.1f}' for t in took)})"
        )


def _timed(*words: str) -> tuple[float, float]:
    """Run the command; return its wall time and what it and its processes took of processors, seconds."""
    started, before = time.monotonic(), os.times()
    command = [*LENS, *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - this Python
    assert done.returncode == 0, done.stderr
    after = os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - started, processor


def _small(place: Path) -> Path:
    config = place / "config.json"
    config.write_text(small_config(picture_folder(place / "pictures")).model_dump_json(by_alias=True))
    return config


def main() -> None:
    """Measure what is asked for."""
    match sys.argv[1:]:
        case ["cold", *rest]:
            cold(int(rest[0]) if rest else 3, rest[1] if len(rest) > 1 else None)
        case ["rerun", store, *rest]:
            rerun(Path(store), int(rest[0]) if rest else 5)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
