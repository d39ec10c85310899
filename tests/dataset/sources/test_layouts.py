"""Captioned pictures in the layouts of others: COCO-Caption, Hugging Face on disk, WebDataset, folders of classes."""

import io
import json
import re
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline_core.contracts.validation import validate_artifact
from pipeline_core.dataset.build import build_dataset, source_identity
from pipeline_core.dataset.images import ImageReader
from pipeline_core.dataset.sources import SOURCES
from pipeline_core.errors import DataError
from tests.dataset.conftest import Built, build_and_read
from tests.dataset.sources.folder.making import draw
from tests.dataset.sources.mbeir.making_shards import IMAGE, picture

N = 30
Build = Callable[..., Built]


def coco(root: Path) -> Path:
    """Two shards of val, with the columns of the hub, and one of test, whose captions are not public."""
    for shard in range(2):
        rows = [
            {
                "question_id": f"q{n}",
                "image": {"bytes": picture(n), "path": f"COCO_val2014_{n:012d}.jpg"},
                "question": "Please carefully observe the image and come up with a caption for the image.",
                "answer": [f"caption {c} of {n}\n" for c in range(5)],
                "id": n,
                "license": 3,
                "file_name": f"COCO_val2014_{n:012d}.jpg",
                "coco_url": "http://images.cocodataset.org/x.jpg",
                "height": 2,
                "width": 2,
                "date_captured": "2013-11-14",
            }
            for n in range(shard * N // 2, (shard + 1) * N // 2)
        ]
        write_parquet(root / "data" / f"val-{shard:05d}-of-00002.parquet", rows, {"image": IMAGE})
    write_parquet(root / "data" / "test-00000-of-00001.parquet", [rows[0] | {"answer": [""]}], {"image": IMAGE})
    return root


def write_parquet(file: Path, rows: Sequence[Mapping[str, Any]], types: Mapping[str, pa.DataType]) -> None:
    table = pa.Table.from_pylist(list(rows))
    for name, kind in types.items():
        values = pa.array([row[name] for row in rows], kind)
        table = table.set_column(table.column_names.index(name), name, values)
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, file, row_group_size=4)


FEATURES = {
    "photo": {"_type": "Image"},
    "kind": {"_type": "ClassLabel", "names": [f"kind {n}" for n in range(N)]},
    "thumbnail": {"dtype": "binary", "_type": "Value"},
}


def hub_table(start: int, stop: int) -> pa.Table:
    """Rows with pictures under a name of their own, a class, and bytes that are no picture."""
    columns = {
        "photo": pa.array([{"bytes": picture(n), "path": None} for n in range(start, stop)], IMAGE),
        "kind": pa.array(range(start, stop), pa.int64()),
        "thumbnail": pa.array([b"x"] * (stop - start)),
    }
    return pa.table(columns)


def parquet(root: Path) -> Path:
    """Shards with what datasets notes of their features, train and test."""
    noted = {"huggingface": json.dumps({"info": {"features": FEATURES}})}
    for split, (start, stop) in {"train": (0, 20), "test": (20, N)}.items():
        root.mkdir(exist_ok=True)
        table = hub_table(start, stop).replace_schema_metadata(noted)
        pq.write_table(table, root / f"{split}-00000-of-00001.parquet")
    return root


def arrow(root: Path) -> Path:
    """What save_to_disk writes of a dictionary of splits, in the stream format."""
    for split, (start, stop) in {"train": (0, 20), "test": (20, N)}.items():
        folder = root / split
        folder.mkdir(parents=True)
        table = hub_table(start, stop)
        with pa.ipc.new_stream(str(folder / "data-00000-of-00001.arrow"), table.schema) as out:
            out.write_table(table, max_chunksize=7)
        (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
        (folder / "dataset_info.json").write_text(json.dumps({"features": FEATURES}))
    (root / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    return root


def tars(root: Path) -> Path:
    """Two tars: texts in .txt, and captions in .json."""
    root.mkdir(exist_ok=True)
    for shard in range(2):
        with tarfile.open(root / f"{shard:06d}.tar", "w") as tar:
            for n in range(shard * N // 2, (shard + 1) * N // 2):
                told = f"text {n}\n" if n % 2 else json.dumps({"caption": f"text {n}", "width": 2})
                add(tar, f"part/{n:05d}.PNG", picture(n))
                add(tar, f"part/{n:05d}.{'txt' if n % 2 else 'json'}", told.encode())
    return root


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def classes(root: Path) -> Path:
    for n in range(3 * N):
        draw(root, f"red_fox_{n // 3}/{n}.png", n)
    return root


LAYOUTS = {"coco_caption": coco, "huggingface": parquet, "arrow": arrow, "webdataset": tars, "class_folders": classes}


def settings(kind: str, root: Path, **changes: object) -> Any:
    name = "huggingface" if kind == "arrow" else kind
    return SOURCES[name].settings.model_validate({"name": name, "path": root, **changes})


@pytest.fixture
def made(tmp_path: Path) -> Build:
    def made(kind: str, **changes: object) -> Built:
        root = LAYOUTS[kind](tmp_path / "data")
        return build_and_read(settings(kind, root, **changes), tmp_path / "artifact")

    return made


@pytest.mark.parametrize("kind", LAYOUTS)
def test_pictures_and_texts_are_found_in_both_directions(kind: str, made: Build) -> None:
    built = made(kind)
    assert set(built["tasks"]["task_id"]) == {"t2i", "i2t"}
    pictures = built["samples"].filter(modality="image")
    assert len(pictures) == (3 * N if kind == "class_folders" else N)
    with ImageReader(built.folder) as reader:
        for ref, sha256 in pictures.select("image_ref", "sha256").sample(5, seed=1).rows():
            assert len(reader.read_bytes(ref)) > 50
            assert reader.open(ref).size in {(2, 2), (8, 6)}
            assert len(sha256) == 64
    lost = built["qrels"].join(built.searched(), on=["task_id", "sample_id"], how="anti")
    assert lost.is_empty()
    assert built["quarantine"].is_empty()


def test_a_picture_of_coco_has_five_captions_without_their_line_ends(made: Build) -> None:
    built = made("coco_caption", splits="test")
    assert validate_artifact("dataset", built.folder)
    pools = dict(built.searched().filter(split="test").group_by("task_id").len().rows())
    assert pools == {"t2i": N, "i2t": 5 * N}
    assert set(built["samples"]["split"]) == {"test"}
    answers = built["qrels"].filter(task_id="i2t").group_by("query_id").len()
    assert set(answers["len"]) == {5}
    texts = built["samples"].filter(modality="text")["text"]
    assert "caption 3 of 17" in set(texts)
    assert built["samples"].filter(sample_id="image:COCO_val2014_000000000017.jpg")["image_ref"].item() == (
        "shard:data/val-00001-of-00002.parquet#image#2"
    )


@pytest.mark.parametrize("kind", ["huggingface", "arrow"])
def test_columns_are_found_by_their_features_and_splits_by_names(kind: str, made: Build) -> None:
    built = made(kind)
    samples = built["samples"]
    assert dict(samples.filter(modality="image").group_by("split").len().rows()) == {
        "train": 10,
        "support": 10,
        "test": 10,
    }
    assert "kind 25" in set(samples.filter(split="test")["text"])
    assert json.loads((built.folder / "source.json").read_text())["splits"] == "published"


def test_a_class_is_one_text_and_a_group(made: Build) -> None:
    built = made("class_folders")
    texts = built["samples"].filter(modality="text")
    assert (len(texts), texts["text"].n_unique()) == (N, N)
    assert "red fox 7" in set(texts["text"])
    answers = built["qrels"].filter(task_id="t2i").group_by("query_id").len()
    assert set(answers["len"]) == {3}
    assert built["samples"].group_by("group").agg(pl.col("split").n_unique())["split"].max() == 1


def test_identity_is_of_the_data_files(tmp_path: Path) -> None:
    for kind, layout in LAYOUTS.items():
        root = layout(tmp_path / kind)
        before = source_identity(settings(kind, root))
        (root / "notes.md").write_text("x")
        assert source_identity(settings(kind, root)) == before
        data = sorted(file for file in root.rglob("*") if file.suffix in (".parquet", ".arrow", ".tar", ".png"))
        file = next(file for file in data if not file.name.startswith("test"))
        Image.new("RGB", (3, 3)).save(file, "PNG")
        assert source_identity(settings(kind, root)) != before, kind


def spoil_parquet(root: Path, column: str, values: pa.Array) -> None:
    file = next(root.rglob("*.parquet"))
    table = pq.read_table(file)
    pq.write_table(table.set_column(table.column_names.index(column), column, values), file)


def drop_column(root: Path, column: str) -> None:
    file = next(root.rglob("*val-00000*.parquet"))
    pq.write_table(pq.read_table(file).drop_columns([column]), file)


def one_tar(root: Path, *members: tuple[str, bytes]) -> None:
    with tarfile.open(root / "000000.tar", "w") as tar:
        for name, content in members:
            add(tar, name, content)


def gzipped(root: Path) -> None:
    with tarfile.open(root / "000000.tar", "w:gz") as tar:
        add(tar, "0.txt", b"x")


def empty(root: Path) -> None:
    for file in [*root.rglob("*.*")]:
        file.unlink()


BAD: dict[str, tuple[str, Callable[[Path], object], dict[str, object]]] = {
    "has no column answer; it has": ("coco_caption", lambda root: drop_column(root, "answer"), {}),
    "has the column answer of type int64": (
        "coco_caption",
        lambda root: spoil_parquet(
            root / "data", "answer", pa.array(range(len(pq.read_table(next(root.rglob("*.parquet"))))))
        ),
        {},
    ),
    "has no parquet files": ("coco_caption", empty, {}),
    "may be the image; set dataset.image": ("huggingface", lambda root: None, {}),
    "has no column words; it has": ("huggingface", lambda root: None, {"text": "words"}),
    "the columns": ("huggingface", lambda root: None, {}),
    "names no _data_files": ("arrow", lambda root: (root / "train" / "state.json").write_text("{}"), {}),
    "which is not there": ("arrow", lambda root: (root / "train" / "data-00000-of-00001.arrow").unlink(), {}),
    "cannot be read": ("arrow", lambda root: (root / "train" / "data-00000-of-00001.arrow").write_bytes(b"x" * 64), {}),
    "is no plain tar": ("webdataset", gzipped, {}),
    "is there twice, apart": (
        "webdataset",
        lambda root: one_tar(root, ("a.txt", b"x"), ("b.txt", b"x"), ("a.png", picture(1))),
        {},
    ),
    "000000.tar a.json in": ("webdataset", lambda root: one_tar(root, ("a.json", b"{")), {}),
    "is not UTF-8": ("webdataset", lambda root: one_tar(root, ("a.txt", b"\xff")), {}),
    "caption is no text": ("webdataset", lambda root: one_tar(root, ("a.json", b'{"caption": 3}')), {}),
    "lies in no folder of a class": ("class_folders", lambda root: draw(root, "loose.png", 1), {}),
    "more.parquet row 0 is of no split, and others are": (
        "coco_caption",
        lambda root: (root / "data" / "val-00001-of-00002.parquet").rename(root / "data" / "more.parquet"),
        {"splits": "own"},
    ),
    "is of no split, and others are": ("class_folders", lambda root: draw(root, "test/red_fox_0/x.png", 1), {}),
    "has no pictures": ("class_folders", empty, {}),
}


@pytest.mark.parametrize("words", BAD)
def test_what_is_malformed_is_refused_in_one_line(words: str, tmp_path: Path) -> None:
    kind, spoil, changes = BAD[words]
    root = LAYOUTS[kind](tmp_path / "data")
    if "may be" in words or words == "the columns":
        for file in root.rglob("*.parquet"):
            pq.write_table(pq.read_table(file).replace_schema_metadata(None), file)
        changes = {"image": "photo"} if words == "the columns" else {}
        words = "no column may be the text" if words == "the columns" else words
    spoil(root)
    with pytest.raises(DataError, match=re.escape(words)) as error:
        build_dataset(settings(kind, root, **changes), tmp_path)
    assert error.value.remedy
    assert "\n" not in str(error.value)


def test_bad_rows_are_left_out_with_their_reasons(tmp_path: Path) -> None:
    root = coco(tmp_path / "coco")
    file = root / "data" / "val-00000-of-00002.parquet"
    table = pq.read_table(file)
    images = table.column("image").to_pylist()
    images[2], images[3] = None, {"bytes": b"no picture", "path": None}
    answers = table.column("answer").to_pylist()
    answers[4] = []
    for name, values in {"image": images, "answer": answers}.items():
        number = table.column_names.index(name)
        table = table.set_column(number, name, pa.array(values, table.schema.field(name).type))
    pq.write_table(table, file)
    told = build_and_read(settings("coco_caption", root, max_quarantine_share=0.5), tmp_path / "a")["quarantine"]
    lines = [f"{row}: {reason}" for row, reason in told.rows()]
    for words in ("row 2: image file not found", "row 3: unreadable image", "row 4: empty text"):
        assert any(words in line for line in lines), words
    good = [(f"c{n}.{kind}", b"c" if kind == "txt" else picture(200 + n)) for n in range(9) for kind in ("txt", "png")]
    one_tar(tars(tmp_path / "tars"), ("a.txt", b"words"), ("b.png", picture(3)), *good)
    told = build_and_read(settings("webdataset", tmp_path / "tars", max_quarantine_share=0.5), tmp_path / "b")
    assert told["quarantine"].rows() == [
        ("000000.tar a", "image file not found: a.jpg"),
        ("000000.tar b", "empty text"),
    ]
