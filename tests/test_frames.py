"""A frame made from rows says so: of a square array or list, polars takes columns for rows without a word."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]


def unclear(code: ast.AST) -> list[int]:
    """Return the lines where a frame is given names for what is no mapping of columns, and no orientation."""
    calls = [node for node in ast.walk(code) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    made = [call for call in calls if call.func.attr in {"DataFrame", "from_numpy", "from_records"}]  # type: ignore[attr-defined]
    return [
        call.lineno
        for call in made
        if call.args
        and not isinstance(call.args[0], ast.Dict)
        and (len(call.args) > 1 or any(given.arg == "schema" for given in call.keywords))
        and not any(given.arg == "orient" for given in call.keywords)
    ]


def test_every_frame_of_rows_says_how_it_lies() -> None:
    files = [file for room in ("src", "flows", "tasks") for file in (ROOT / room).rglob("*.py")]
    found = {file: unclear(ast.parse(file.read_text(encoding="utf-8"))) for file in files}
    assert len(found) > 200
    assert {file.name: lines for file, lines in found.items() if lines} == {}


def test_a_frame_that_does_not_is_found() -> None:
    assert unclear(ast.parse("pl.DataFrame(array, schema=names)\npl.DataFrame(rows, names)")) == [1, 2]
    assert unclear(ast.parse("pl.DataFrame(array, schema=names, orient='row')\npl.DataFrame({'a': x}, schema=s)")) == []
