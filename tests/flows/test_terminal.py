"""Whatever a caption holds is shown as it is, in any locale, and a piped table is whole."""

import io
import os
import subprocess
import sys

import pytest
from rich.table import Table

from flows import terminal
from flows.terminal import TextConsole, print_table, print_whole, progress_line
from tasks.pace import Pace


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


def test_the_progress_of_a_run_is_one_line(narrow: io.StringIO) -> None:
    with progress_line(terminal.out, ["dataset", "sae/m/[x]", "report"]) as listen:
        assert listen
        listen("dataset", 0, 1)
        listen("sae/m/[x]", 3, 7)
    (line,) = {line for line in narrow.getvalue().splitlines() if "2 of 3  sae/m/[x]" in line}
    assert "3/7" in line


def test_without_a_terminal_no_progress_is_drawn(piped: io.StringIO) -> None:
    with progress_line(terminal.out, ["dataset"]) as listen:
        assert listen is None


def test_the_first_batch_is_left_out_of_the_estimate() -> None:
    seconds = iter((100.0, 110.0, 120.0))
    pace = Pace(lambda: next(seconds))
    assert pace.left(0, 10) is None
    assert pace.left(2, 10) is None, "it took a hundred seconds, which tell nothing of those to come"
    assert pace.left(4, 10) == 30.0
    assert pace.left(6, 10) == 20.0
