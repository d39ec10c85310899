"""The same config gives the same tables, sweeps and repetitions included, in two stores built from nothing."""

import subprocess
from pathlib import Path

import pytest

from pipeline_core.store.diff import diff_runs
from tests.command import LENS
from tests.small import SMALL, picture_folder

pytestmark = pytest.mark.long


def sweep(pictures: Path, store: Path) -> str:
    """Run a whole small sweep in a process of its own; return the path of its record."""
    values = ("dataset.name=folder", f"dataset.path={pictures}", *SMALL)
    arguments = [word for value in values for word in ("--set", value)]
    command = [*LENS, "sweep", *arguments, "--store", str(store)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    return str(next((store / "runs").glob("*.json")))


def test_two_sweeps_of_one_config_do_not_differ(tmp_path: Path) -> None:
    pictures = picture_folder(tmp_path / "pictures")
    one, other = (sweep(pictures, tmp_path / name) for name in ("one", "other"))
    assert diff_runs(tmp_path, one, other) == []
