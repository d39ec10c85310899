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


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    console = TextConsole(file=stream, width=40, soft_wrap=True, force_terminal=True, color_system=None)
    monkeypatch.setattr(terminal, "out", console)
    return stream


def test_a_table_too_wide_for_the_terminal_is_shown_as_records(narrow: io.StringIO) -> None:
    table = Table("a long header", "another", caption="2 of 3 rows")
    table.add_row("[bold]x :heart:".replace("[", "\\["), "words " * 12)
    table.add_row("[dim]NULL[/dim]", "y")
    print_whole(table)
    lines = [line.rstrip() for line in narrow.getvalue().splitlines()]
    assert lines[0].startswith("1 ─")
    assert lines[1] == "a long header  [bold]x :heart:"
    assert lines[2] == "another        words words words words"
    assert [line for line in lines if line.startswith("2 ─")]
    assert lines[-3:] == ["a long header  NULL", "another        y", "2 of 3 rows"]
    assert max(map(len, lines)) <= 40


def test_a_last_column_is_folded_while_the_others_leave_it_room(narrow: io.StringIO) -> None:
    print_table(["n", "found"], [("1", "words " * 10)])
    assert "│ n │ found" in narrow.getvalue() or "┃ n ┃ found" in narrow.getvalue()
    print_table(["a column of its own", "found"], [("1", "words " * 10)])
    assert "a column of its own  1" in narrow.getvalue()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_any_locale_shows_any_text(encoding: str) -> None:
    code = "from flows.terminal import *; speak_any_locale(); print_table(['raw'], [('heart \u2764',)])"
    code += "; err.print('\u2764')"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONIOENCODING": encoding}, capture_output=True, check=True
    )
    assert b"heart \\u2764" in done.stdout
    assert b"\\u2764" in done.stderr
