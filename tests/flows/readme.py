"""The questions in SQL that the README asks: of any run, and of a sweep."""

import re
from pathlib import Path

_README = Path(__file__).parents[2] / "README.md"
_ALL: list[str] = re.findall(r'^lens sql "(select .+)"$', _README.read_text(encoding="utf-8"), re.MULTILINE)

OF_A_SWEEP = [question for question in _ALL if "from sweeps" in question]
OF_ANY_RUN = [question for question in _ALL if question not in OF_A_SWEEP]
