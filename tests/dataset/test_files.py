"""Text of any spelling is read, or named by its line; what no row names is counted."""

import codecs
import logging
import os
from pathlib import Path

import pytest

from pipeline_core.dataset.files import (
    identify,
    picture_name,
    read_csv,
    read_lines,
    read_objects,
    tell_linked,
    tell_unnamed,
)
from pipeline_core.errors import DataError
from tests.dataset.sources.folder.making import draw


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_texts_with_and_without_marks_are_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.csv").write_text("file_name,text\na.png,é 红心\n", encoding=encoding)
    assert list(read_csv(tmp_path / "a.csv")) == [("row 1", {"file_name": "a.png", "text": "é 红心"})]
    assert [line for _, line in read_lines(tmp_path, "a.csv")] == ["file_name,text", "a.png,é 红心"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            "file_name,text".encode("utf-16-le"),
            "is UTF-16 without a byte order mark, or no text; write it again in UTF-8",
        ),
        ("file_name,text\na.png,é".encode("latin-1"), "is not UTF-8: unexpected end of data; write it again in UTF-8"),
        (codecs.BOM_UTF16_LE + b"abc", "is not UTF-16: truncated data; write it again in UTF-8"),
        (b"text,text\n", "has the column text twice"),
        (
            b'file_name,text\na.png,"x\nb.png,y"z\nc.png,w\n',
            "row 1 goes from line 2 to line 3: ',' expected after '\"'",
        ),
        (b'file_name,text\na.png,x\nb.png,"y\nc.png,z\n', "row 2 goes from line 3 to line 4: unexpected end of data"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "a.csv").write_bytes(data)
    with pytest.raises(DataError) as error:
        list(read_csv(tmp_path / "a.csv"))
    assert words in str(error.value)


@pytest.mark.parametrize("line", ["[" * 200_000, '{"_id": 1', "[1]", f'{{"_id": {"9" * 6000}}}'])
def test_a_line_that_holds_no_object_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"_id": "a"}}\n{line}\n')
    with pytest.raises(DataError, match=r"^a\.jsonl line 2 in .* is no JSON object; write one "):
        list(read_objects(tmp_path, "a.jsonl"))


def test_a_stray_quote_or_comma_names_its_row_and_costs_no_other(tmp_path: Path) -> None:
    lines = [
        "file_name,text",
        "a.png,one",
        'b.png,"tw"o',
        "c.png,three, four",
        "",
        'd.png,"five, ""six""\nseven"',
        "e.png",
    ]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    assert list(read_csv(tmp_path / "a.csv")) == [
        ("row 1", {"file_name": "a.png", "text": "one"}),
        ("row 2", "line 3 cannot be read: ',' expected after '\"'"),
        ("row 3", "line 4 has 3 columns instead of 2: a text with a comma stands in quotes"),
        ("row 5", {"file_name": "d.png", "text": 'five, "six"\nseven'}),
        ("row 6", "line 8 has 1 columns instead of 2: a text with a comma stands in quotes"),
    ]


def test_a_picture_has_one_name_however_it_is_spelt(tmp_path: Path) -> None:
    for spelt in ("a.png", "./a.png", "b/../a.png", f"{tmp_path}/a.png", f"{tmp_path}/./b/../a.png"):
        assert picture_name(tmp_path, spelt, "row 1") == "a.png"
    for outside in ("/a.png", "../a.png", f"{tmp_path}x/a.png", f"{tmp_path}/../a.png"):
        with pytest.raises(DataError, match=r"row 1: the picture .* is outside the folder"):
            picture_name(tmp_path, outside, "row 1")


def test_pipes_and_devices_are_told_apart_without_being_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    assert identify(tmp_path, [], ["pipe.png", "zero.png"]) != identify(tmp_path, [], ["pipe.png"])


def test_pictures_that_lie_elsewhere_through_links_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = tmp_path / "root"
    draw(tmp_path, "private/a.png", 1)
    draw(root, "own/b.png", 2)
    (root / "borrowed").symlink_to("../private")
    (root / "c.png").symlink_to(tmp_path / "private" / "a.png")
    (root / "d.png").symlink_to("own/b.png")
    (root / "round.png").symlink_to("round.png")
    names = ["borrowed/a.png", "c.png", "d.png", "own/b.png", "round.png", "gone.png", "x" * 300]
    with caplog.at_level(logging.WARNING):
        tell_linked(root, names[2:])
        assert caplog.messages == []
        tell_linked(root, names)
    told = f"2 pictures of {root} lie outside of it, through links: borrowed/a.png in {tmp_path / 'private'}"
    assert caplog.messages == [told]


def test_pictures_that_no_row_names_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for n, name in enumerate(("a.png", "b.PNG", "sub/c.jpg", ".hidden/d.png", "store/report/e.png")):
        draw(tmp_path, name, n)
    (tmp_path / "store" / "runs").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    with caplog.at_level(logging.WARNING):
        tell_unnamed(tmp_path, ["a.png"])
        assert caplog.messages == [f"2 of 3 pictures of {tmp_path} are named by no row, such as b.PNG, sub/c.jpg"]
        caplog.clear()
        tell_unnamed(tmp_path, ["a.png", "b.PNG", "sub/c.jpg"])
    assert caplog.messages == []
