"""Values in SQL: those of a text's parameters are told above it, so that ``lens sql`` answers the same text."""

import json
import re
from collections.abc import Mapping
from itertools import takewhile

Value = str | int | float
"""What a parameter ``$name`` of a question may be."""

_GIVEN = re.compile(r"-- \$(\w+) = (.+)")


def told(sql: str, values: Mapping[str, Value]) -> str:
    """Return a text below a line for each value: ``-- $item = "Table 3"``, written as JSON, which breaks no line."""
    return "\n".join([*(f"-- ${name} = {json.dumps(value)}" for name, value in values.items()), sql])


def given(sql: str) -> dict[str, Value]:
    """Return the values that stand among the comments at the head of a text, as :func:`told` writes them.

    Raises:
        ValueError: a value is not JSON.
    """
    head = takewhile(lambda line: line.startswith("--"), sql.lstrip().splitlines())
    return {match[1]: json.loads(match[2]) for line in head if (match := _GIVEN.fullmatch(line))}


def literal(text: str) -> str:
    """Quote a text as a SQL string."""
    return "'" + text.replace("'", "''") + "'"
