"""M-BEIR in Parquet: tasks by what asks and what is found, pools own or united, samples that say what they are."""

import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_core.contracts.validation import validate_artifact
from pipeline_core.dataset.benchmark import staging
from pipeline_core.dataset.build import build_dataset, source_identity
from pipeline_core.dataset.images import ImageReader
from pipeline_core.dataset.sources.mbeir import MBeirSettings
from pipeline_core.errors import DataError
from tests.dataset.conftest import Built, build_and_read
from tests.dataset.sources.mbeir.making_shards import picture, write_task

Read = Callable[..., Built]
COCO, NEWS, FASHION = "mbeir_mscoco_task0", "mbeir_visualnes_task3", "mbeir_fashioniq_task7"
N_TEST, N_TRAIN, N_VALIDATION, N_CANDIDATES = 12, 20, 5, 60


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three tasks of three data sets, one with a published train and validation split, one with a name misspelt."""
    root = tmp_path / "hub"
    splits = {"test": N_TEST, "train": N_TRAIN, "validation": N_VALIDATION}
    write_task(root, COCO, 9, "text", "image", splits, N_CANDIDATES)
    write_task(root, NEWS, 0, "image", "text", {"test": N_TEST}, N_CANDIDATES)
    write_task(root, FASHION, 7, "image_text", "image", {"test": N_TEST}, N_CANDIDATES)
    return root


def settings(root: Path, **changes: object) -> MBeirSettings:
    return MBeirSettings.model_validate({"path": root, "tasks": ["mscoco", "visualnews_i2t"], "support": 6} | changes)


@pytest.fixture
def read(root: Path, tmp_path: Path, build: Callable[[MBeirSettings, Path], Built]) -> Read:
    def read(**changes: object) -> Built:
        return build(settings(root, **changes), tmp_path / "artifact")

    return read


def test_tasks_are_known_by_what_asks_and_what_is_found(read: Read) -> None:
    built = read(tasks=["mscoco_task0", "visualnews", "fashioniq_it2i"])
    told = built["tasks"].filter(control="none").select("task_id", "task_type", "primary_k").rows()
    assert told == [("fashioniq_it2i", "it->i", 10), ("mscoco_t2i", "t->i", 5), ("visualnews_i2t", "i->t", 5)]
    counts = dict(built["queries"].filter(task_id="mscoco_t2i").group_by("split").len().rows())
    assert counts == {"test": N_TEST, "validation": N_VALIDATION, "support": 6}
    assert built.searched().filter(task_id="mscoco_t2i", split="test").height == N_CANDIDATES
    assert built["tasks"].filter(task_id="fashioniq_it2i_image_only")["control_of"].item() == "fashioniq_it2i"
    assert built["tasks"].select("queries_of", "candidates_of").null_count().row(0) == (5, 5)


def test_pictures_are_read_from_their_shards(read: Read) -> None:
    built = read()
    assert validate_artifact("dataset", built.folder)
    ref = built["samples"].filter(sample_id="corpus:9:1000017t2i")["image_ref"].item()
    assert ref == "shard:mbeir_mscoco_task0/corpus/corpus-00001-of-00004.parquet#image#2"
    with ImageReader(built.folder) as reader:
        for name, ref in (
            built["samples"]
            .filter(pl.col("sample_id").str.starts_with("corpus:9:"))
            .select("sample_id", "image_ref")
            .rows()
        ):
            assert reader.read_bytes(ref) == picture(int(name[9:-3]) - 1_000_000)


def test_the_union_pool_holds_the_candidates_of_all_tasks_below_the_folder(read: Read) -> None:
    built = read(pool="union", tasks=["mscoco", "fashioniq"])
    assert built.searched().filter(task_id="mscoco_t2i", split="test").height == 2 * N_CANDIDATES
    assert built["tasks"].filter(task_id="fashioniq_it2i")["pool_id"].item() == "fashioniq_it2i"
    (left_out,) = built["quarantine"].rows()
    assert left_out == ("pool union", f"no task asks for its {N_CANDIDATES} candidates of modality text")


def test_a_sample_is_declared_and_drawn_anew_by_its_number(read: Read, root: Path, tmp_path: Path) -> None:
    built = read(queries=4, distractors=7, tasks=["mscoco", "visualnews"])
    tasks = built["tasks"]
    assert tasks.select("task_id", "queries_of", "candidates_of").rows() == [
        ("mscoco_t2i", N_TEST, N_CANDIDATES),
        ("visualnews_i2t", N_TEST, N_CANDIDATES),
    ]
    pool = built.searched().filter(task_id="mscoco_t2i", split="test")
    right = built["qrels"].join(built["queries"].filter(split="test"), on=["task_id", "query_id"])
    assert right.join(built.searched(), on=["task_id", "split", "sample_id"], how="anti").is_empty()
    assert pool.height == 4 + 7
    assert "4 of 12 queries among 11 of 60 candidates" in tasks["description"][0]
    folder = tmp_path / "other"
    folder.mkdir()
    build_dataset(settings(root, queries=4, distractors=7, draw=1), folder)
    assert not pl.read_parquet(folder / "queries.parquet").equals(built["queries"])


@pytest.mark.parametrize(("bound", "low"), [("_RANGE", 7), ("_FIRST", 1)], ids=["ranges", "memory"])
def test_tables_sorted_range_by_range_or_tried_with_a_little_memory_first_are_the_same(
    root: Path, read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, low: int
) -> None:
    whole = read()
    monkeypatch.setattr(staging, bound, low)
    other = build_and_read(settings(root), tmp_path / "other")
    assert all(table.equals(other[name]) for name, table in whole.tables.items())


def test_queries_may_be_asked_under_the_benchmark_s_own_instructions_that_come_with_the_package(read: Read) -> None:
    built = read(instructions="own")
    told = built["queries"].join(built["prompts"], on="prompt_id").select("task_id", "text").unique().sort("task_id")
    assert told.rows() == [
        ("mscoco_t2i", "Find me an everyday image that matches the given caption."),
        ("visualnews_i2t", "Find a caption for the news in the given photo."),
    ]


def test_identity_is_of_the_shards_and_asks_for_no_row(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = source_identity(settings(root))
    assert source_identity(settings(root, tasks=["visualnews"])) != before
    (root / FASHION / "corpus" / "corpus-00000-of-00004.parquet").write_bytes(b"")
    (root / "notes.txt").write_text("x")
    monkeypatch.setattr("pipeline_core.dataset.sources.mbeir.shards._modality", lambda file: "t")
    assert source_identity(settings(root, tasks=["mscoco", "visualnews"])) == before
    change(root / COCO / "corpus" / "corpus-00000-of-00004.parquet", 0, "text", "another")
    assert source_identity(settings(root, tasks=["mscoco", "visualnews"])) != before


def change(file: Path, row: int, column: str, value: object) -> None:
    table = pq.read_table(file)
    values = table.column(column).to_pylist()
    values[row] = value
    kind = table.schema.field(column).type
    number = table.column_names.index(column)
    pq.write_table(table.set_column(number, column, pa.array(values, kind)), file, row_group_size=4)


def drop(file: Path, column: str) -> None:
    pq.write_table(pq.read_table(file).drop_columns([column]), file)


QUERY, CORPUS = f"{COCO}/query/test-00000-of-00001.parquet", f"{COCO}/corpus/corpus-00000-of-00004.parquet"
QRELS = f"{COCO}/qrels/test-00000-of-00001.parquet"


BAD = [
    (QUERY, 3, "text", None, "test-00000-of-00001.parquet row 3: modality is text, and there is no text"),
    (QUERY, 4, "id", None, "row 4: no id"),
    (QUERY, 5, "modality", "video", "row 5: modality is 'video'; it may be text, image, image,text"),
    (QUERY, 6, "id", "9:t2i2", "row 6: the query 9:t2i2 is there already"),
    (CORPUS, 7, "image", None, "row 7: image file not found: corpus-00000-of-00004.parquet row 7"),
    (CORPUS, 8, "image", {"bytes": b"x", "path": None}, "row 8: unreadable image"),
    (CORPUS, 9, "id", "9:1000002t2i", "row 9: duplicate of mbeir_mscoco_task0/corpus/corpus-00000-of-00004.parquet"),
    (CORPUS, 7, "image", None, "test-00000-of-00001.parquet row 7: no usable candidate answers it"),
]


def test_bad_rows_are_left_out_with_their_reasons(root: Path, read: Read) -> None:
    for file, row, column, value, _ in BAD:
        change(root / file, row, column, value)
    told = [f"{row}: {reason}" for row, reason in read(max_quarantine_share=0.5)["quarantine"].rows()]
    for *_, words in BAD:
        assert any(words in line for line in told), words


@pytest.mark.parametrize(
    ("changes", "spoil", "words"),
    [
        ({"tasks": ["mscoco_i2t"]}, None, "has no task mscoco_i2t; it has fashioniq_it2i, mscoco_t2i, visualnews_i2t"),
        ({}, lambda root: drop(root / QRELS, "corpus-id"), "has no column corpus-id; it has query-id, score"),
        ({}, lambda root: drop(root / QUERY, "id"), "has no column id; it has image, modality, text"),
        ({}, lambda root: change(root / QRELS, 2, "query-id", None), "row 2 in"),
        ({}, lambda root: (root / CORPUS).write_bytes(b"PAR1"), "cannot be read"),
        ({}, lambda root: (root / QRELS).unlink(), "has queries of the split test and no qrels"),
        ({}, lambda root: change(root / CORPUS, 1, "modality", "smell"), "rows of the data set cannot be used"),
        ({}, lambda root: change(root / CORPUS, 0, "modality", "smell"), "row 0: modality is 'smell'"),
    ],
)
def test_what_is_malformed_is_refused_in_one_line(
    root: Path, tmp_path: Path, changes: dict[str, object], spoil: Callable[[Path], object] | None, words: str
) -> None:
    if spoil:
        spoil(root)
    folder = tmp_path / "artifact"
    folder.mkdir()
    with pytest.raises(DataError, match=re.escape(words)) as error:
        build_dataset(settings(root, **{"max_quarantine_share": 0.0, **changes}), folder)
    assert error.value.remedy
    assert "\n" not in str(error.value)
    assert not [path for path in folder.iterdir() if path.name != "images.parquet"]
