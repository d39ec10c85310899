"""Captions with splits and groups of their own."""

import json
from pathlib import Path

import polars as pl
import pytest

from pipeline_core.dataset.splits import SPLITS
from tests.dataset.sources.folder.conftest import Read
from tests.dataset.sources.folder.making import draw, refusal, write_captions, write_lines

SPLIT = ("file_name", "text", "split")
GROUP = ("file_name", "text", "group")
BOTH = ("file_name", "text", "split", "group")


def drawn(root: Path, n: int) -> list[str]:
    return [draw(root, f"{number:02d}.png", number) for number in range(n)]


def test_given_splits_and_groups_are_kept(root: Path, read: Read) -> None:
    names = drawn(root, 8)
    write_captions(root, BOTH, [(n, f"picture {n}", SPLITS[i // 2], f"scene {i // 2}") for i, n in enumerate(names)])
    built = read()
    assert set(built["samples"].select("sample_id", "group", "split").iter_rows()) == {
        (sample, f"scene {i // 2}", SPLITS[i // 2])
        for i, name in enumerate(names)
        for sample in (f"image:{name}", f"text:{name}#1")
    }
    assert set(built.searched().filter(task_id="t2i").select("split", "sample_id").iter_rows()) == {
        (SPLITS[i // 2], f"image:{name}") for i, name in enumerate(names) if i >= 2
    }
    assert set(built["pairs"].iter_rows()) == {
        (f"image:{name}", f"text:{name}#1", SPLITS[i // 2]) for i, name in enumerate(names)
    }
    assert json.loads((built.folder / "source.json").read_text()) == {"root": str(root), "splits": "published"}


def test_support_is_set_aside_from_a_given_train_split(root: Path, read: Read, tmp_path: Path) -> None:
    names = drawn(root, 10)
    rows = [(n, f"picture {n}", "train" if i < 8 else "test") for i, n in enumerate(names)]
    write_captions(root, SPLIT, rows)
    pictures = read()["samples"].filter(modality="image")
    assert dict(pictures.group_by("split").len().rows()) == {"train": 4, "support": 4, "test": 2}
    write_captions(root, SPLIT, [(n, f"picture {n}", "test") for n in names])
    assert "has no train split that it can be set aside from" in refusal(root, tmp_path, support=3)


@pytest.mark.parametrize("seed", [0, 1])
def test_given_splits_need_no_seed_and_no_ten_pictures(root: Path, read: Read, seed: int) -> None:
    write_captions(root, SPLIT, [(name, "x", "test") for name in drawn(root, 2)])
    built = read(seed=seed)
    assert set(built["samples"]["split"]) == set(built["queries"]["split"]) == {"test"}
    assert set(built["candidates"]["split"]) == {"test"}
    assert set(built["tasks"]["task_id"]) == {"i2t", "t2i"}


def test_groups_stay_together_where_splits_are_drawn(root: Path, read: Read) -> None:
    names = drawn(root, 60)
    write_captions(root, GROUP, [(name, f"picture {name}", f"scene {i // 3}") for i, name in enumerate(names)])
    built = read()
    groups = built["samples"].group_by("group").agg(pl.col("split").n_unique(), pl.len())
    assert set(groups["group"]) == {f"scene {i}" for i in range(20)}
    assert (set(groups["split"]), set(groups["len"])) == ({1}, {6})
    assert set(built["samples"]["split"]) == set(SPLITS)
    assert json.loads((built.folder / "source.json").read_text()) == {"root": str(root)}


def test_a_picture_without_a_group_is_one(root: Path, read: Read) -> None:
    names = drawn(root, 20)
    write_captions(root, GROUP, [(name, "x", "pair" if i < 2 else "") for i, name in enumerate(names)])
    groups = read()["samples"].filter(modality="image").select("sample_id", "group")
    assert dict(groups.iter_rows()) == {f"image:{n}": "pair" if i < 2 else n for i, n in enumerate(names)}


def test_groups_that_share_a_look_are_one_group(root: Path, read: Read) -> None:
    names = [*drawn(root, 30), draw(root, "copy.png", 0)]
    groups = {"00.png": "one", "01.png": "one", "copy.png": "two", "02.png": "two"}
    write_captions(root, GROUP, [(name, f"picture {name}", groups.get(name, "")) for name in names])
    samples = read()["samples"].filter(modality="image")
    joined = samples.filter(group="one")
    assert set(joined["sample_id"]) == {f"image:{name}" for name in groups}
    assert joined["split"].n_unique() == 1


def test_one_look_in_two_given_splits_stays_in_both(root: Path, read: Read) -> None:
    names = [draw(root, "a.png", 1), draw(root, "b.png", 1)]
    write_captions(root, SPLIT, [(names[0], "x", "train"), (names[1], "y", "test")])
    samples = read()["samples"].filter(modality="image").select("sample_id", "group", "split")
    assert set(samples.iter_rows()) == {("image:a.png", "a.png", "train"), ("image:b.png", "b.png", "test")}


def test_a_path_has_one_spelling(root: Path, read: Read) -> None:
    draw(root, "art/a.png", 1)
    write_captions(
        root, SPLIT, [("art/a.png", "x", "test"), ("./art//a.png", "y", "test"), ("art/./a.png", "x", "test")]
    )
    built = read(max_quarantine_share=0.5)
    assert set(built["samples"]["sample_id"]) == {"image:art/a.png", "text:art/a.png#1", "text:art/a.png#2"}
    assert built["quarantine"].rows() == [("row 3", "duplicate of row 1")]


@pytest.mark.parametrize(
    ("header", "rows", "words"),
    [
        (SPLIT, [("a.png", "x", "test"), ("b.png", "x", "dev")], "row 2: the split is dev; it may be train, support, "),
        (SPLIT, [("a.png", "x", "test"), ("b.png", "x", "")], "row 2: the split is empty; it may be train, support, "),
        (
            SPLIT,
            [("a.png", "x", "test"), ("./a.png", "y", "train")],
            "row 2: the picture a.png has the split train, and test in row 1; give all rows of a picture the same",
        ),
        (
            BOTH,
            [("a.png", "x", "test", "g"), ("b.png", "y", "train", "g")],
            "row 2: the group g has the split train, and test in row 1; give all rows of a group the same split",
        ),
        (
            GROUP,
            [("a.png", "x", "g"), ("a.png", "y", "h")],
            "row 2: the picture a.png has the group h, and g in row 1; give all rows of a picture the same group",
        ),
        (
            BOTH,
            [("a.png", "x", "test", "b.png"), ("b.png", "y", "test", "")],
            "the group b.png has the name of a picture that is not in it; give the group another name",
        ),
        (SPLIT, [("a.png", "x", "train"), ("b.png", "y", "train")], "asks nothing; put pictures or queries into the"),
        (
            GROUP,
            [("a.png", "x", "g"), ("b.png", "y", "h")],
            "2 groups of pictures are too few to split: too little is left",
        ),
    ],
)
def test_splits_and_groups_that_contradict_are_refused(
    root: Path, tmp_path: Path, header: tuple[str, ...], rows: list[tuple[str, ...]], words: str
) -> None:
    draw(root, "a.png", 1)
    draw(root, "b.png", 2)
    write_captions(root, header, rows)
    assert words in refusal(root, tmp_path)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (['{"file_name": "a.png", "text": "x"}', "{not json"], "metadata.jsonl line 2 in "),
        ([{"file_name": "a.png", "text": ["x", "y"]}], "metadata.jsonl has lists in the column text, first in row 1; "),
        (
            [{"file_name": "a.png", "text": {"en": "x"}}],
            "metadata.jsonl has lists in the column text, first in row 1; ",
        ),
    ],
)
def test_lines_that_hold_no_row(root: Path, tmp_path: Path, lines: list[dict[str, object] | str], words: str) -> None:
    write_lines(root / "metadata.jsonl", lines)
    assert words in refusal(root, tmp_path)
