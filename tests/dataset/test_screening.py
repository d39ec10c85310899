"""A bad row costs itself alone, and its reason can be read; too many are refused, and all are had."""

import csv
import os
import re
import unicodedata
from pathlib import Path

import pytest

from pipeline_core.dataset.places import Place, Places
from pipeline_core.dataset.screening import Row, read_picture, refuse_if_too_many, screen
from pipeline_core.errors import DataError
from tests.dataset.sources.folder.making import draw


def reason(file: Path) -> str:
    with Places() as places:
        found = read_picture(Place(file), places)
    assert isinstance(found, str), found
    return found


@pytest.mark.parametrize("name", ["n" * 300 + ".png", "a\0b.png", "round/x.png", "", "absent/a.png", "a.png/b.png"])
def test_a_name_that_no_picture_has(tmp_path: Path, name: str) -> None:
    draw(tmp_path, "a.png", 1)
    (tmp_path / "round").symlink_to(tmp_path / "round")
    assert reason(tmp_path / name).startswith(("image file not found: ", "no regular file: "))


def test_pipes_and_devices_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    assert reason(tmp_path / "pipe.png") == "no regular file: pipe.png"
    assert reason(tmp_path / "zero.png") == "no regular file: zero.png"


@pytest.mark.parametrize(
    ("there", "asked"),
    [
        ("A.JPG", "a.jpg"),
        (unicodedata.normalize("NFD", "é.png"), unicodedata.normalize("NFC", "é.png")),
        (unicodedata.normalize("NFC", "é.png"), unicodedata.normalize("NFD", "é.png")),
    ],
)
def test_a_near_name_is_suggested(tmp_path: Path, there: str, asked: str) -> None:
    draw(tmp_path, there, 1)
    assert reason(tmp_path / asked) == f"image file not found: {asked} (there is {there})"


def test_one_bad_row_costs_no_other(tmp_path: Path) -> None:
    names = [draw(tmp_path, f"{n}.png", n) for n in range(4)]
    rows = [Row(name, name, Place(tmp_path / name), "x") for name in (*names, "gone.png")]
    rows.append(Row("row 6", "", Place(tmp_path), "", fault="line 7 has 3 columns instead of 2"))
    screening = screen(rows, 0.5)
    assert [row.row for row in screening.rows] == names
    assert screening.quarantine == (
        ("gone.png", "image file not found: gone.png"),
        ("row 6", "line 7 has 3 columns instead of 2"),
    )


def test_all_bad_rows_are_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    bad = [(f"row {n}", f"reason {n}, for one") for n in range(9)]
    with pytest.raises(DataError) as error:
        refuse_if_too_many(1, bad, 0.5)
    found = re.search(r"; all are in (\S+\.csv)", error.value.problem)
    assert found
    with Path(found[1]).open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["row", "reason"], *map(list, bad)]


def test_a_cache_that_cannot_be_written_costs_the_file_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/none")
    with pytest.raises(DataError, match=r"row 0: no; row 1: no; row 2: no; \.\.\.; mend these rows"):
        refuse_if_too_many(0, [(f"row {n}", "no") for n in range(9)], 0.5)
