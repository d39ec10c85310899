"""Tiers of tests leave out what they lack: pytest takes the last ``-m`` alone, so that a tier repeats all."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def left_out(expression: str) -> set[str]:
    return set(re.findall(r"not (\w+)", expression))


def test_the_fast_tier_leaves_out_all_that_the_usual_one_does() -> None:
    usual = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["addopts"]
    (fast,) = re.findall(r"-m '(not [^']+)'", (ROOT / "Makefile").read_text())
    assert left_out(fast) == left_out(usual) | {"slow"}
