import csv
import json
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from pipeline_core.dataset.build import build_dataset, source_identity
from pipeline_core.dataset.images import ImageReader
from pipeline_core.dataset.sources.folder import FolderSettings
from pipeline_core.dataset.splits import Group, assign_splits
from pipeline_core.errors import ConfigError, DataError, LensError


def pictures(folder: Path, n: int = 20) -> list[tuple[str, str]]:
    """Draw ``n`` different pictures with two captions each."""
    (folder / "art").mkdir(parents=True)
    rows = []
    for i in range(n):
        Image.new("RGB", (8, 6), (i, 10 * (i % 25), 0)).save(folder / "art" / f"{i:02d}.png")
        rows += [(f"art/{i:02d}.png", f"caption {i}"), (f"art/{i:02d}.png", f"another caption, {i}")]
    return rows


def write_csv(folder: Path, rows, header=("file_name", "text")) -> None:
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def config(folder: Path, **changes) -> FolderSettings:
    return FolderSettings(path=folder, **changes)


def refusal(settings: FolderSettings, folder: Path, kind: type[LensError] = DataError) -> str:
    with pytest.raises(kind) as error:
        build_dataset(settings, folder)
    assert "\n" not in str(error.value)
    assert error.value.remedy
    return str(error.value)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "pictures"


def test_end_to_end(root, tmp_path, build):
    write_csv(root, pictures(root, 40))
    built = build(config(root), tmp_path / "artifact")
    assert built["tasks"]["task_id"].to_list() == ["i2t", "t2i"]
    assert built["quarantine"].is_empty()
    assert len(built["pairs"]) == 80
    assert dict(built["samples"].group_by("modality").len().iter_rows()) == {"image": 40, "text": 80}
    assert set(built["samples"]["split"]) == {"train", "support", "validation", "test"}
    per_query = built["qrels"].group_by("task_id", "query_id").len()
    assert set(per_query.filter(task_id="i2t")["len"]) == {2}
    assert set(per_query.filter(task_id="t2i")["len"]) == {1}
    with ImageReader(built.folder) as reader:
        ref = built["samples"].filter(sample_id="image:art/07.png")["image_ref"].item()
        assert reader.open(ref).getpixel((0, 0)) == (7, 70, 0)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_the_other_metadata_formats_say_the_same(tmp_path, kind, build):
    root, other = tmp_path / "csv", tmp_path / kind
    rows = pictures(root)
    assert rows == pictures(other)
    write_csv(root, rows)
    frame = pl.DataFrame(rows, schema=["file_name", "text"], orient="row")
    {"jsonl": frame.write_ndjson, "parquet": frame.write_parquet}[kind](other / f"metadata.{kind}")
    one, two = build(config(root), tmp_path / "one"), build(config(other), tmp_path / "two")
    for name, table in one.tables.items():
        assert table.equals(two[name]), name


def test_bad_rows_are_quarantined_with_their_reason(root, tmp_path, build):
    rows = pictures(root)
    (root / "art" / "broken.png").write_bytes((root / "art" / "00.png").read_bytes()[:40])
    (root / "art" / "words.png").write_text("not a picture")
    rows += [("art/broken.png", "b"), ("art/words.png", "w"), ("art/gone.png", "g"), ("art/01.png", "  "), rows[0]]
    write_csv(root, rows)
    built = build(config(root, max_quarantine_share=0.2), tmp_path / "artifact")
    assert dict(built["quarantine"].iter_rows()) == {
        "row 41": "unreadable image: broken.png: it is of no known format",
        "row 42": "unreadable image: words.png: it is of no known format",
        "row 43": "image file not found: gone.png",
        "row 44": "empty text",
        "row 45": "duplicate of row 1",
    }
    assert len(built["pairs"]) == 40


def test_too_many_bad_rows_are_refused(root, tmp_path):
    rows = pictures(root)
    write_csv(root, [*rows, ("art/gone.png", "x"), ("art/01.png", ""), ("", "y"), ("art/lost.png", "z")])
    message = refusal(config(root), tmp_path)
    assert message.startswith(
        "4 of 44 rows of the data set cannot be used (9.1%, allowed 5.0%): row 41: image file not"
    )
    assert "row 42: empty text" in message
    assert message.endswith("mend these rows, or raise dataset.max_quarantine_share")
    assert not list(tmp_path.glob("*.parquet"))


def test_equal_pictures_share_a_group_and_are_both_right(root, tmp_path, build):
    rows = pictures(root, 60)
    for i in range(60):
        Image.open(root / "art" / f"{i:02d}.png").save(root / "art" / f"copy{i:02d}.png", compress_level=0)
        rows.append((f"art/copy{i:02d}.png", f"copy {i}"))
    write_csv(root, rows)
    built = build(config(root), tmp_path / "artifact")
    groups = built["samples"].group_by("group").agg(pl.col("split").n_unique(), pl.len())
    assert (len(groups), set(groups["split"]), set(groups["len"])) == (60, {1}, {5})
    assert set(built["qrels"].filter(task_id="t2i").group_by("query_id").len()["len"]) == {2}


def test_too_few_pictures_to_split(root, tmp_path):
    write_csv(root, pictures(root, 4))
    assert "4 different pictures are too few to split" in refusal(config(root), tmp_path)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_eighteen_pictures_are_enough_to_fit_on(seed):
    """Statistics of pictures need two of them in support: with less, a run would fail after its model had run."""
    for n in range(18, 60):
        splits = list(assign_splits((Group(f"{i}.png", "", 1) for i in range(n)), seed).values())
        assert min(splits.count("support"), splits.count("validation"), splits.count("test")) >= 2


@pytest.mark.parametrize("n", [10, 17])
def test_too_few_to_fit_on_are_refused_before_anything_runs(root, tmp_path, n):
    write_csv(root, pictures(root, n))
    assert (
        f"{n} different pictures are too few to split: too little is left for support; give more, at least 18"
        in refusal(config(root), tmp_path)
    )


def test_one_picture_given_to_support_is_refused(root, tmp_path):
    rows = [(name, text, "support" if name == "art/00.png" else "test") for name, text in pictures(root, 4)]
    write_csv(root, rows, header=("file_name", "text", "split"))
    assert "the split support has one picture; give it 2 or more, or none" in refusal(config(root), tmp_path)


def test_missing_column(root, tmp_path):
    write_csv(root, pictures(root), header=("file_name", "caption"))
    message = refusal(config(root), tmp_path)
    assert "metadata.csv has no column text; it has file_name, caption" in message


def test_missing_metadata(root, tmp_path):
    root.mkdir()
    assert "has no metadata file; put exactly one of metadata.csv, metadata.jsonl" in refusal(config(root), tmp_path)


def test_two_metadata_files(root, tmp_path):
    root.mkdir()
    write_csv(root, [])
    (root / "metadata.jsonl").write_text(json.dumps({"file_name": "a", "text": "b"}))
    assert "has metadata.csv and metadata.jsonl" in refusal(config(root), tmp_path)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_metadata_that_are_none(root, tmp_path, kind):
    root.mkdir()
    (root / f"metadata.{kind}").write_bytes(b"\xff\x00\xfe nonsense\n{")
    assert f"metadata.{kind}" in refusal(config(root), tmp_path)


def test_empty_metadata(root, tmp_path):
    root.mkdir()
    write_csv(root, [])
    assert "the data set has no rows" in refusal(config(root), tmp_path)


def test_a_text_that_is_a_list(root, tmp_path):
    root.mkdir()
    (root / "metadata.jsonl").write_text(json.dumps({"file_name": "a.png", "text": ["one", "two"]}))
    assert "metadata.jsonl" in refusal(config(root), tmp_path)


def test_a_text_that_is_bytes(root, tmp_path):
    rows = [(name.encode(), text.encode()) for name, text in pictures(root)]
    pl.DataFrame(rows, schema=["file_name", "text"], orient="row").write_parquet(root / "metadata.parquet")
    assert "metadata.parquet has bytes in the column file_name, first in row 1" in refusal(config(root), tmp_path)


@pytest.mark.parametrize("outside", ["../secret.png", "/etc/passwd", "art/../../secret.png"])
def test_pictures_outside_the_folder_are_refused(root, tmp_path, outside):
    write_csv(root, [*pictures(root), (outside, "x")])
    assert "row 41" in refusal(config(root), tmp_path)


def test_a_path_that_is_no_folder(root, tmp_path):
    assert "which is no folder" in refusal(config(root), tmp_path, ConfigError)


def test_identity_follows_content_not_place(root, tmp_path):
    write_csv(root, pictures(root))
    first = source_identity(config(root))
    moved = root.rename(tmp_path / "moved")
    assert source_identity(config(moved)) == first
    Image.new("RGB", (8, 6), "white").save(moved / "art" / "00.png")
    assert source_identity(config(moved)) != first
