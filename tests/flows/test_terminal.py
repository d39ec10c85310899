"""Whatever a caption holds is shown as it is, in any locale, and a piped table is whole."""

import io
import os
import subprocess
import sys

import pytest
from rich.table import Table

from flows import terminal
from flows.terminal import TextConsole, print_table, print_whole


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(terminal, "out", TextConsole(file=stream, soft_wrap=True))
    return stream


@pytest.mark.parametrize("caption", ["price [/b] heart", "[bold]x", ":heart: :smile:", "a [link=x]b", "back\\[x]"])
def test_markup_and_names_of_emoji_are_texts(piped: io.StringIO, caption: str) -> None:
    print_table(["rank", "raw"], [("1", caption)])
    assert f"│ {caption} " in piped.getvalue()


def test_escape_characters_are_seen_and_not_obeyed(piped: io.StringIO) -> None:
    print_table(["raw"], [("red \x1b[31m, bell \x07, \x9b2J, \x7f",)])
    assert "red ␛[31m, bell ␇, �2J, ␡" in piped.getvalue()
    assert not set(piped.getvalue()) & {"\x1b", "\x07", "\x9b", "\x7f"}


def test_a_piped_table_is_whole(piped: io.StringIO) -> None:
    table = Table("one", "two")
    table.add_row("a " * 300, "b " * 300)
    print_whole(table)
    assert len(piped.getvalue().splitlines()) == 5
    assert piped.getvalue().count("a ") == piped.getvalue().count("b ") == 300


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_any_locale_shows_any_text(encoding: str) -> None:
    code = "from flows.terminal import *; speak_any_locale(); print_table(['raw'], [('heart \u2764',)])"
    code += "; err.print('\u2764')"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONIOENCODING": encoding}, capture_output=True, check=True
    )
    assert b"heart \\u2764" in done.stdout
    assert b"\\u2764" in done.stderr
