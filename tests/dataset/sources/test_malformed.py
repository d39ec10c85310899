"""Whatever the source, a null text is a bad row, a name misspelt one line, and what cannot be written never a trace."""

import io
import json
import os
import re
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_core.dataset.build import build_dataset, source_identity
from pipeline_core.dataset.settings import DatasetSettings
from pipeline_core.dataset.sources import SOURCES
from pipeline_core.errors import DataError
from pipeline_core.schema.parquet import read_table
from tests.dataset.sources.folder.making import draw, write_captions, write_lines, write_qrels
from tests.dataset.sources.mbeir.making import write_mbeir
from tests.dataset.sources.mbeir.making_shards import IMAGE, picture, write_task
from tests.dataset.sources.test_layouts import add, arrow, classes, coco, hub_table, one_tar, parquet, tars

N = 20
HALF = "\\ud83d"
"""Half of a character, as JSON keeps it where a text was cut."""

COCO_SHARD, HUB_SHARD = "data/val-00000-of-00002.parquet", "test-00000-of-00001.parquet"
SHARD_QUERY, SHARD_QRELS = (f"mbeir_mscoco_task0/{part}/test-00000-of-00001.parquet" for part in ("query", "qrels"))
LINES_QUERY = "query/test/mbeir_mscoco_task0_test.jsonl"
LINES_POOL = "cand_pool/local/mbeir_mscoco_task0_test_cand_pool.jsonl"
LINES_QRELS = "qrels/test/mbeir_mscoco_task0_test_qrels.txt"


def shards(root: Path) -> Path:
    write_task(root, "mbeir_mscoco_task0", 9, "text", "image", {"test": 12}, 30)
    return root


def captions(root: Path, form: str) -> Path:
    rows = [(draw(root, f"{n}.png", n), f"text {n}") for n in range(N)]
    if form == "csv":
        write_captions(root, ("file_name", "text"), rows)
    elif form == "jsonl":
        write_lines(root / "metadata.jsonl", [{"file_name": name, "text": text} for name, text in rows])
    else:
        pl.DataFrame(rows, schema=["file_name", "text"], orient="row").write_parquet(root / "metadata.parquet")
    return root


def judged(root: Path) -> Path:
    write_lines(root / "corpus.jsonl", [{"_id": f"d{n}", "image": draw(root, f"{n}.png", n)} for n in range(N)])
    write_lines(root / "queries.jsonl", [{"_id": f"q{n}", "text": f"query {n}"} for n in range(N)])
    write_qrels(root, "test", [f"q{n} d{n} 1" for n in range(N)])
    return root


MAKERS: dict[str, tuple[Callable[[Path], Path], dict[str, Any]]] = {
    "M-BEIR in Parquet": (shards, {"name": "mbeir", "tasks": ["mscoco"]}),
    "M-BEIR of UniIR": (write_mbeir, {"name": "mbeir", "tasks": ["mscoco_task0"]}),
    "COCO-Caption": (coco, {"name": "coco_caption"}),
    "Hugging Face in Parquet": (parquet, {"name": "huggingface"}),
    "Hugging Face in Arrow": (arrow, {"name": "huggingface"}),
    "WebDataset": (tars, {"name": "webdataset"}),
    "folders of classes": (classes, {"name": "class_folders"}),
    "captions in CSV": (lambda root: captions(root, "csv"), {"name": "folder"}),
    "captions in JSON lines": (lambda root: captions(root, "jsonl"), {"name": "folder"}),
    "captions in Parquet": (lambda root: captions(root, "parquet"), {"name": "folder"}),
    "files of BEIR": (judged, {"name": "folder"}),
}


def column(file: str, name: str, change: Callable[[list[Any]], pa.Array | list[Any]]) -> Callable[[Path], None]:
    """Change the values of a column of a Parquet file; a list keeps its type."""

    def spoil(root: Path) -> None:
        table = pq.read_table(root / file)
        values = change(table.column(name).to_pylist())
        if isinstance(values, list):
            values = pa.array(values, table.schema.field(name).type)
        pq.write_table(table.set_column(table.column_names.index(name), name, values), root / file, row_group_size=4)

    return spoil


def renamed(file: str, name: str) -> Callable[[Path], None]:
    """Misspell a column of a Parquet file."""

    def spoil(root: Path) -> None:
        table = pq.read_table(root / file)
        names = [f"{other}x" if other == name else other for other in table.column_names]
        pq.write_table(table.rename_columns(names).replace_schema_metadata(table.schema.metadata), root / file)

    return spoil


def replaced(file: str, old: str, new: str) -> Callable[[Path], None]:
    """Change a text file once."""

    def spoil(root: Path) -> None:
        text = (root / file).read_text(encoding="utf-8")
        assert old in text
        (root / file).write_text(text.replace(old, new, 1), encoding="utf-8")

    return spoil


def everywhere(file: str, old: str, new: str) -> Callable[[Path], None]:
    """Change a text file wherever it says so."""
    return lambda root: (root / file).write_text((root / file).read_text().replace(old, new)) and None


def in_arrow(change: Callable[[pa.Table], pa.Table]) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        table = change(hub_table(20, 30))
        with pa.ipc.new_stream(str(root / "test" / "data-00000-of-00001.arrow"), table.schema) as out:
            out.write_table(table)

    return spoil


def in_tar(*members: tuple[str, bytes]) -> Callable[[Path], None]:
    """Replace a tar by one of good samples and others."""
    good = [(f"c{n}.{kind}", b"c" if kind == "txt" else picture(200 + n)) for n in range(9) for kind in ("txt", "png")]
    return lambda root: one_tar(root, *members, *good)


def first_null(values: Sequence[Any]) -> list[Any]:
    return [None, *values[1:]]


def not_utf8(values: Sequence[Any]) -> pa.Array:
    written = pa.array([b"\xff", *(b"x" for _ in values[1:])])
    return pa.StringArray.from_buffers(len(values), written.buffers()[1], written.buffers()[2])


def spoilt(kind: str, spoil: Callable[[Path], object], place: Path, share: float) -> DatasetSettings:
    """Make data of a kind and spoil them; return what reads them, with so many bad rows at most."""
    make, told = MAKERS[kind]
    root = make(place / "data")
    spoil(root)
    (place / "artifact").mkdir()
    return SOURCES[told["name"]].settings.model_validate({**told, "path": root, "max_quarantine_share": share})


EMPTY, HALVED = "empty text", "is no text"
LEFT_OUT: list[tuple[str, Callable[[Path], object], str]] = [
    ("M-BEIR in Parquet", column(SHARD_QUERY, "text", first_null), "row 0: modality is text, and there is no text"),
    ("M-BEIR of UniIR", replaced(LINES_QUERY, '"caption 0 of picture 16"', "null"), "there is no query_txt"),
    ("M-BEIR of UniIR", replaced(LINES_QUERY, '"caption 0 of picture 16"', f'"{HALF}"'), "query_txt is no text"),
    ("M-BEIR of UniIR", replaced(LINES_QUERY, '["9:16"]', f'["{HALF}"]'), "pos_cand_list or neg_cand_list is no list"),
    ("COCO-Caption", column(COCO_SHARD, "answer", first_null), f"row 0: {EMPTY}"),
    ("COCO-Caption", column(COCO_SHARD, "answer", lambda v: [[None, "a"], *v[1:]]), f"row 0: {EMPTY}"),
    ("COCO-Caption", column(COCO_SHARD, "image", first_null), "image file not found: val-00000-of-00002.parquet row 0"),
    ("Hugging Face in Parquet", column(HUB_SHARD, "kind", first_null), f"row 0: {EMPTY}"),
    (
        "Hugging Face in Parquet",
        column(HUB_SHARD, "kind", lambda v: pa.array([[], *([f"word {n}"] for n in v[1:])], pa.list_(pa.string()))),
        f"row 0: {EMPTY}",
    ),
    (
        "Hugging Face in Arrow",
        in_arrow(lambda table: table.set_column(1, "kind", pa.array([None, *range(21, 30)], pa.int64()))),
        f"row 0: {EMPTY}",
    ),
    ("WebDataset", in_tar(("a.json", b'{"caption": null}'), ("a.png", picture(9))), f"a: {EMPTY}"),
    ("WebDataset", in_tar(("a.json", f'{{"caption": "{HALF}"}}'.encode()), ("a.png", picture(9))), "a: caption is no"),
    ("folders of classes", lambda root: (root / "red_fox_0" / "0.png").write_bytes(b""), "red_fox_0/0.png: unreadable"),
    ("captions in CSV", replaced("metadata.csv", "text 3", ""), f"row 4: {EMPTY}"),
    ("captions in JSON lines", replaced("metadata.jsonl", '"text 3"', "null"), f"row 4: {EMPTY}"),
    ("captions in JSON lines", replaced("metadata.jsonl", "text 3", HALF), f"row 4: text {HALVED}"),
    ("captions in JSON lines", replaced("metadata.jsonl", "3.png", f"{HALF}.png"), f"row 4: file_name {HALVED}"),
    ("captions in Parquet", column("metadata.parquet", "text", first_null), f"row 1: {EMPTY}"),
    ("files of BEIR", replaced("queries.jsonl", '"query 3"', "null"), "queries.jsonl line 4: neither text nor image"),
    ("files of BEIR", replaced("queries.jsonl", "query 3", HALF), f"queries.jsonl line 4: text {HALVED}"),
    ("files of BEIR", replaced("corpus.jsonl", "d3", HALF), "corpus.jsonl line 4: no _id"),
    ("files of BEIR", replaced("qrels/test.tsv", "q3\td3\t1", "q3\td3\t1\t7"), "4 columns instead of 3"),
]


@pytest.mark.parametrize(("kind", "spoil", "words"), LEFT_OUT)
def test_a_bad_row_is_left_out_with_its_reason(
    kind: str, spoil: Callable[[Path], object], words: str, tmp_path: Path
) -> None:
    settings = spoilt(kind, spoil, tmp_path, 0.5)
    build_dataset(settings, tmp_path / "artifact")
    lines = [f"{row}: {reason}" for row, reason in read_table(tmp_path / "artifact", "quarantine").rows()]
    assert any(words in line for line in lines), lines
    assert not any("(there is" in line for line in lines)


def cut(file: str, at: int) -> Callable[[Path], None]:
    return lambda root: (root / file).write_bytes((root / file).read_bytes()[:at]) and None


def damaged(root: Path) -> None:
    data = (root / "000000.tar").read_bytes()
    (root / "000000.tar").write_bytes(data[:2048] + b"\xff" * 512 + data[2560:])


def in_state(filename: object) -> Callable[[Path], object]:
    told = json.dumps({"_data_files": [{"filename": filename}]})
    return lambda root: (root / "test" / "state.json").write_text(told)


def called(old: str, new: bytes) -> Callable[[Path], object]:
    return lambda root: (root / old).rename((root / old).with_name(os.fsdecode(new)))


def instead(file: str) -> Callable[[Path], object]:
    """Put a folder in the place of a file."""
    return lambda root: ((root / file).unlink(), (root / file).mkdir())


REFUSED: list[tuple[str, Callable[[Path], object], str]] = [
    ("M-BEIR in Parquet", renamed(SHARD_QUERY, "id"), "has no column id; it has idx, image, modality, text"),
    ("M-BEIR in Parquet", renamed(SHARD_QUERY, "text"), "rows of the data set cannot be used"),
    ("M-BEIR in Parquet", renamed(SHARD_QRELS, "query-id"), "has no column query-id; it has"),
    ("M-BEIR in Parquet", column(SHARD_QRELS, "score", lambda v: pa.array([float("nan")] * len(v))), "row 0 in"),
    ("M-BEIR in Parquet", column(SHARD_QRELS, "score", lambda v: [2**40] * len(v)), "row 0 in"),
    ("M-BEIR of UniIR", everywhere(LINES_QUERY, "query_txt", "query_text"), "there is no query_txt"),
    ("M-BEIR of UniIR", everywhere(LINES_POOL, "img_path", "image_path"), "there is no img_path"),
    ("M-BEIR of UniIR", replaced(LINES_QRELS, " 1 0", " 99999999999999999999 0"), "line 1 in"),
    ("M-BEIR of UniIR", replaced(LINES_QRELS, " 1 0", " +-1 0"), "is no judgement"),
    ("M-BEIR of UniIR", replaced(LINES_QRELS, " 1 0", " 1 0 0.5 tag"), "is no judgement"),
    ("COCO-Caption", renamed(COCO_SHARD, "answer"), "has no column answer; it has"),
    (
        "COCO-Caption",
        column(COCO_SHARD, "file_name", lambda v: pa.array([[1]] * len(v))),
        "column file_name of type list",
    ),
    (
        "COCO-Caption",
        column(COCO_SHARD, "image", lambda v: pa.array([{"bytes": "x"}] * len(v))),
        "has the column image of type struct<bytes: string>",
    ),
    ("COCO-Caption", column(COCO_SHARD, "file_name", not_utf8), "holds a text that is not UTF-8"),
    ("COCO-Caption", called(COCO_SHARD, b"val-\xff.parquet"), "the name of data/val-\\xff.parquet in"),
    ("Hugging Face in Parquet", renamed(HUB_SHARD, "kind"), "no column may be the text; set dataset.text"),
    (
        "Hugging Face in Parquet",
        column(HUB_SHARD, "photo", lambda v: pa.array([{"bytes": "x"}] * len(v))),
        "has no pictures in the column photo",
    ),
    (
        "Hugging Face in Arrow",
        in_arrow(lambda table: table.rename_columns(["photo", "kin", "thumbnail"])),
        "no column may be the text",
    ),
    ("Hugging Face in Arrow", in_state(3), "names 3, which is not there"),
    ("Hugging Face in Arrow", in_state("../x.arrow"), "names ../x.arrow, which is not there"),
    (
        "Hugging Face in Arrow",
        lambda root: (root / "test" / "dataset_info.json").write_text("[]"),
        "the columns photo, thumbnail may be the image",
    ),
    ("WebDataset", in_tar(("a.json", b'{"captoin": "x"}'), ("a.png", picture(9))), "a: empty text"),
    ("WebDataset", cut("000000.tar", 8192), "is cut short or damaged at byte 8192; fetch the file again"),
    ("WebDataset", cut("000000.tar", 8292), "is cut short or damaged at byte 8192"),
    ("WebDataset", damaged, "is cut short or damaged at byte 2048"),
    ("WebDataset", lambda root: (root / "2.tar").symlink_to(root / "absent"), "2.tar cannot be read: No such file"),
    ("folders of classes", called("red_fox_0/0.png", b"\xff.png"), "the name of red_fox_0/\\xff.png in"),
    ("captions in CSV", replaced("metadata.csv", "text", "txt"), "has no column text; it has file_name, txt"),
    ("captions in JSON lines", everywhere("metadata.jsonl", '"text"', '"txt"'), "has no column text; it has"),
    ("captions in JSON lines", everywhere("metadata.jsonl", ".png", "\\n.png"), "image file not found: 0\\n.png"),
    (
        "captions in Parquet",
        renamed("metadata.parquet", "file_name"),
        "has no column file_name; it has file_namex, text",
    ),
    ("files of BEIR", everywhere("queries.jsonl", '"text"', '"txt"'), "neither text nor image"),
    ("files of BEIR", replaced("qrels/test.tsv", "query-id", "query_id"), "is no header"),
    ("files of BEIR", instead("qrels/test.tsv"), "has queries.jsonl and corpus.jsonl and no qrels/<split>.tsv"),
]


@pytest.mark.parametrize(("kind", "spoil", "words"), REFUSED)
def test_what_is_malformed_is_refused_in_one_line(
    kind: str, spoil: Callable[[Path], object], words: str, tmp_path: Path
) -> None:
    settings = spoilt(kind, spoil, tmp_path, 0.0)
    with pytest.raises(DataError, match=re.escape(words)) as error:
        source_identity(settings)
        build_dataset(settings, tmp_path / "artifact")
    assert error.value.remedy
    assert len(str(error.value).splitlines()) == 1
    assert str(error.value).encode()


def test_texts_may_be_kept_in_any_of_arrow_s_ways(tmp_path: Path) -> None:
    """As polars writes them, which has large lists of large strings and binary views."""
    root = coco(tmp_path / "data")
    for file in root.rglob("val-*.parquet"):
        table = pl.read_parquet(file)
        table.write_parquet(file)
    assert "large" in str(pq.read_schema(root / COCO_SHARD))
    (tmp_path / "artifact").mkdir()
    build_dataset(SOURCES["coco_caption"].settings.model_validate({"path": root}), tmp_path / "artifact")
    assert read_table(tmp_path / "artifact", "samples").filter(modality="image").height == 30


def test_folders_called_like_tars_are_none_and_names_of_other_encodings_are_told_by_their_codes(tmp_path: Path) -> None:
    root = tars(tmp_path / "data")
    (root / "folder.tar").mkdir()
    with tarfile.open(root / "more.tar", "w", encoding="latin-1", format=tarfile.GNU_FORMAT) as tar:
        for name, content in (("é.png", picture(99)), ("é.txt", b"accented")):
            add(tar, name, content)
    assert io.BytesIO((root / "more.tar").read_bytes()).read(1) == b"\xe9"
    (tmp_path / "artifact").mkdir()
    build_dataset(SOURCES["webdataset"].settings.model_validate({"path": root}), tmp_path / "artifact")
    assert "image:more.tar/\\xe9" in set(read_table(tmp_path / "artifact", "samples")["sample_id"])


@pytest.mark.parametrize("kind", MAKERS)
def test_pictures_stay_where_they_are(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the artifact nor the folder for temporary files holds a picture's bytes, nor is the source changed."""
    make, told = MAKERS[kind]
    root = make(tmp_path / "data")
    artifact, aside = tmp_path / "artifact", tmp_path / "temporary"
    artifact.mkdir()
    aside.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(aside))
    before = {file: file.read_bytes() for file in root.rglob("*") if file.is_file()}
    settings = SOURCES[told["name"]].settings.model_validate({**told, "path": root})
    source_identity(settings)
    build_dataset(settings, artifact)
    assert {file: file.read_bytes() for file in root.rglob("*") if file.is_file()} == before
    refs = [ref for ref in read_table(artifact, "samples")["image_ref"] if ref]
    assert refs
    assert all(ref.startswith(("file:", "shard:", "tar:")) for ref in refs)
    assert IMAGE not in [field.type for file in artifact.glob("*.parquet") for field in pq.read_schema(file)]
    written = [file for folder in (artifact, aside) for file in folder.rglob("*") if file.is_file()]
    assert not [file for file in written if b"\x89PNG" in file.read_bytes()]
