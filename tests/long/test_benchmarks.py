"""Benchmarks run, at sizes too small to tell anything: what they use changes, and weeks pass before one is run."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALL = {
    "beta_sweep": [],
    "features": ["{folder}", "2000", "512", "64"],
    "judgement": ["300", "3"],
    "pools": ["{folder}", "3000x16x20"],
    "sae_step": ["1"],
    "search": ["20000"],
    "sources": ["200"],
}


@pytest.mark.long
@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_runs(name: str, tmp_path: Path) -> None:
    arguments = [told.format(folder=tmp_path) for told in SMALL[name]]
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
