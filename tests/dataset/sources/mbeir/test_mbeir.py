"""M-BEIR in the files of UniIR: its splits, pools, judgements and instructions, whole and as a declared sample."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pipeline_core.contracts.validation import validate_artifact
from pipeline_core.dataset.build import build_dataset, source_identity
from pipeline_core.dataset.sources.mbeir import MBeirSettings
from pipeline_core.errors import DataError
from tests.dataset.conftest import Built
from tests.dataset.sources.folder.making import write_lines
from tests.dataset.sources.mbeir.making import CAPTIONS, SPLITS, write_mbeir

Read = Callable[..., Built]
COCO = ["mscoco_task0", "mscoco_task3"]
N_TEST, N_TRAIN, N_VALIDATION = len(SPLITS["test"]), len(SPLITS["train"]), len(SPLITS["val"])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_mbeir(tmp_path / "mbeir")


def settings(root: Path, **changes: object) -> MBeirSettings:
    return MBeirSettings.model_validate({"path": root, "tasks": COCO, "support": 8, **changes})


@pytest.fixture
def read(root: Path, tmp_path: Path, build: Callable[[MBeirSettings, Path], Built]) -> Read:
    def read(**changes: object) -> Built:
        built = build(settings(root, **changes), tmp_path / "artifact")
        validate_artifact("dataset", built.folder)
        return built

    return read


def of(built: Built, table: str, task: str) -> dict[str, int]:
    """Rows of a task by split."""
    rows = built.searched() if table == "candidates" else built[table]
    rows = rows.filter(pl.col("task_id") == task)
    return dict(rows.group_by("split").len().rows())


def test_splits_and_pools_are_the_benchmark_s(read: Read) -> None:
    built = read()
    assert dict(built["tasks"].select("task_id", "task_type").rows()) == {
        "mscoco_task0_t2i": "t->i",
        "mscoco_task3_i2t": "i->t",
    }
    queries, pools = of(built, "queries", "mscoco_task0_t2i"), of(built, "candidates", "mscoco_task0_t2i")
    assert (queries["test"], queries["validation"]) == (CAPTIONS * N_TEST, CAPTIONS * N_VALIDATION)
    assert (pools["test"], pools["validation"]) == (N_TEST, N_VALIDATION)
    assert of(built, "queries", "mscoco_task3_i2t")["test"] == N_TEST
    assert of(built, "candidates", "mscoco_task3_i2t")["test"] == CAPTIONS * N_TEST
    found = built["qrels"].filter(pl.col("task_id") == "mscoco_task3_i2t").join(built["queries"], on="query_id")
    assert found.filter(pl.col("split") == "test").height == CAPTIONS * N_TEST


def test_support_comes_from_the_train_split_and_shares_no_answer_with_it(read: Read) -> None:
    built = read()
    assert of(built, "queries", "mscoco_task0_t2i")["support"] == 8
    assert "train" not in of(built, "queries", "mscoco_task0_t2i")
    trained = built["samples"].filter(pl.col("split") == "train")
    support = built["qrels"].join(built["queries"].filter(pl.col("split") == "support"), on=["task_id", "query_id"])
    assert trained.height > 0
    assert not set(trained["sample_id"]) & set(support["sample_id"])
    splits = built["pairs"].join(built["samples"].select(image_id="sample_id", side="split"), on="image_id")
    assert splits.filter(pl.col("side") != pl.col("split")).is_empty()


def test_composed_queries_have_controls_and_hard_negatives_are_candidates(read: Read) -> None:
    built = read(tasks=["cirr_task7"], distractors=1)
    assert set(built["tasks"]["task_type"]) == {"it->i"}
    assert set(built["tasks"]["control"]) == {"none", "image_only", "text_only"}
    assert of(built, "candidates", "cirr_task7_it2i")["test"] == N_TEST  # each is an answer or a hard negative


def test_the_union_pool_is_searched_where_it_is_wanted(read: Read) -> None:
    assert of(read(pool="union"), "candidates", "mscoco_task0_t2i")["test"] == 2 * N_TEST


def test_a_mixed_pool_is_searched_whole(read: Read) -> None:
    built = read(pool="union", mixed=True)
    whole = (2 + CAPTIONS) * N_TEST
    for task, other in (("mscoco_task0_t2i", "text"), ("mscoco_task3_i2t", "image")):
        assert of(built, "candidates", task)["test"] == whole
        found = built["tasks"].filter(task_id=task).join(built["candidates"], on="pool_id")
        assert other in set(found.join(built["samples"], on="sample_id")["modality"])
        assert f"among {whole} of {whole} candidates of every modality." in found["description"][0]
    assert built["tasks"]["pool_id"].n_unique() == 1
    assert not built["quarantine"]["reason"].str.contains("no task asks").any()


def test_a_sample_of_a_mixed_pool_is_of_the_whole_of_it(read: Read) -> None:
    built = read(pool="union", mixed=True, queries=2, distractors=5)
    told = built["tasks"].select("task_id", "queries_of", "candidates_of").sort("task_id")
    whole = (2 + CAPTIONS) * N_TEST
    assert told.rows() == [("mscoco_task0_t2i", CAPTIONS * N_TEST, whole), ("mscoco_task3_i2t", N_TEST, whole)]
    # Two captions ask for a picture each, and two pictures for their captions.
    assert of(built, "candidates", "mscoco_task0_t2i")["test"] in range(2 * CAPTIONS + 1 + 5, 2 * CAPTIONS + 2 + 5 + 1)


def test_a_sample_keeps_right_answers_and_says_what_it_is(read: Read) -> None:
    built = read(queries=3, distractors=2)
    assert of(built, "queries", "mscoco_task0_t2i")["test"] == 3
    (words,) = built["tasks"].filter(pl.col("task_id") == "mscoco_task0_t2i")["description"]
    told = re.search(r"3 of (\d+) queries among (\d+) of (\d+) candidates", words)
    assert told
    asked, found, all_ = map(int, told.groups())
    assert (asked, all_) == (CAPTIONS * N_TEST, N_TEST)
    assert found == of(built, "candidates", "mscoco_task0_t2i")["test"]
    answers = built["qrels"].join(built.searched(), on=["task_id", "sample_id"], how="anti")
    assert answers.is_empty()


def test_a_query_may_be_asked_under_the_benchmark_s_own_instruction(read: Read) -> None:
    built = read(instructions="own")
    told = built["queries"].join(built["prompts"], on="prompt_id").filter(pl.col("task_id") == "mscoco_task0_t2i")
    assert set(told["text"]) == {"Find me an everyday image that matches the given caption."}


def test_the_cut_off_is_the_benchmark_s(root: Path, read: Read) -> None:
    for file in root.rglob("*mscoco_task0*"):
        file.rename(file.with_name(file.name.replace("mscoco_task0", "fashion200k_task0")))
    assert set(read(tasks=["fashion200k_task0"])["tasks"]["primary_k"]) == {10}


def test_identity_is_of_the_files_that_rows_name(root: Path) -> None:
    before = source_identity(settings(root))
    (root / "mbeir_images" / "unnamed.png").write_bytes(b"")
    (root / "query" / "test" / "mbeir_cirr_task7_test.jsonl").write_text("")
    assert source_identity(settings(root)) == before
    (root / "mbeir_images" / "020.png").write_bytes((root / "mbeir_images" / "021.png").read_bytes())
    assert source_identity(settings(root)) != before


def test_which_pictures_rows_name_is_read_once(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = source_identity(settings(root))

    def read(*_: object) -> None:
        raise AssertionError("rows are read again")

    monkeypatch.setattr("pipeline_core.dataset.sources.mbeir.reading._stage", read)
    assert source_identity(settings(root)) == before
    (root / "mbeir_images" / "020.png").unlink()
    assert source_identity(settings(root)) != before
    (root / POOL).write_text((root / POOL).read_text() + "\n")
    with pytest.raises(AssertionError, match="read again"):
        source_identity(settings(root))


def change(root: Path, file: str, old: str, new: str) -> None:
    path = root / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


QUERIES, POOL = "query/test/mbeir_mscoco_task0_test.jsonl", "cand_pool/local/mbeir_mscoco_task0_test_cand_pool.jsonl"
QRELS = "qrels/test/mbeir_mscoco_task0_test_qrels.txt"


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        (QUERIES, '"query_modality": "text"', '"query_modality": "image"', "there is no query_img_path"),
        (QUERIES, '"query_modality": "text"', '"query_modality": "video"', "query_modality is 'video'"),
        (QUERIES, '"qid": "9:132"', '"qid": 7', "qid is no text"),
        (QUERIES, '["9:16"]', '"9:16"', "no list of ids"),
        (POOL, '"did": "9:16"', '"did": null', "no did"),
        (POOL, "mbeir_images/016.png", "mbeir_images/absent.png", "image file not found: absent.png"),
    ],
)
def test_a_bad_row_is_left_out_with_its_reason(
    root: Path, read: Read, file: str, old: str, new: str, words: str
) -> None:
    change(root, file, old, new)
    built = read(max_quarantine_share=0.5)
    assert any(words in reason for reason in built["quarantine"]["reason"])
    assert of(built, "queries", "mscoco_task0_t2i")["test"] in range(CAPTIONS * N_TEST - CAPTIONS, CAPTIONS * N_TEST)


def test_queries_that_nothing_usable_answers_are_counted(root: Path, read: Read) -> None:
    change(root, POOL, "mbeir_images/016.png", "mbeir_images/absent.png")
    change(root, QRELS, " 1 0", " 0 0")
    built = read(max_quarantine_share=0.5)
    told = dict(built["tasks"].select("task_id", "unanswered").iter_rows())
    asked = of(built, "queries", "mscoco_task0_t2i")["test"]
    assert asked + told["mscoco_task0_t2i"] == CAPTIONS * N_TEST
    assert told["mscoco_task0_t2i"] in (CAPTIONS, CAPTIONS + 1)


def test_queries_that_nothing_usable_answers_may_be_asked(root: Path, read: Read) -> None:
    change(root, POOL, "mbeir_images/016.png", "mbeir_images/absent.png")
    lines = (root / QRELS).read_text().splitlines(keepends=True)
    (root / QRELS).write_text("".join(line.replace(" 1 0", " 0 0") if line in lines[1:3] else line for line in lines))
    built = read(max_quarantine_share=0.5, unanswered="asked", instructions="own", tasks=["mscoco_task0"])
    assert of(built, "queries", "mscoco_task0_t2i")["test"] == CAPTIONS * N_TEST
    assert built["tasks"]["unanswered"].to_list() == [0]
    answered = built["qrels"].join(built["queries"].filter(split="test"), on="query_id")["query_id"].n_unique()
    assert answered == CAPTIONS * N_TEST - 3
    assert built["queries"].filter(split="test")["prompt_id"].n_unique() == 1
    (words,) = built["tasks"]["description"]
    assert f"{CAPTIONS * N_TEST} of {CAPTIONS * N_TEST} queries" in words


def test_support_may_be_of_queries_that_nothing_answers_where_all_are_asked(root: Path, read: Read) -> None:
    file = root / "qrels" / "train" / "mbeir_mscoco_task0_train_qrels.txt"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line.replace(" 1 0", " 0 0") if n % 2 else line for n, line in enumerate(lines)))
    asked = read(tasks=["mscoco_task0"], unanswered="asked")
    support = asked["queries"].filter(split="support")
    silent = set(support["query_id"]) - set(asked["qrels"]["query_id"])
    assert support.height == 8
    assert silent
    left = asked["quarantine"].filter(pl.col("reason") == "no judged answer")
    assert left.height == len(lines) // 2 - len(silent)


def test_support_that_is_asked_for_and_cannot_be_set_aside_is_an_error(root: Path, read: Read, tmp_path: Path) -> None:
    shutil.rmtree(root / "query" / "train")
    words = f"dataset.support is 8, and the data set {root} has no train split that it can be set aside from; give"
    for unanswered in ("left_out", "asked"):
        with pytest.raises(DataError, match=re.escape(words)) as error:
            build_dataset(settings(root, unanswered=unanswered), tmp_path)
        assert "\n" not in str(error.value)
    assert "support" not in of(read(support=None), "queries", "mscoco_task0_t2i")


@pytest.mark.parametrize(
    ("changes", "spoil", "words"),
    [
        ({"tasks": ["mscoco_task9"]}, None, "has no mbeir_mscoco_task9_test.jsonl; it has mbeir_cirr_task7_test.jsonl"),
        ({}, (QRELS, " 0 ", " "), "is no judgement; write qid 0 did relevance task id"),
        ({}, (QRELS, " 1 0", " much 0"), "is no judgement"),
        ({}, (QUERIES, "{", "["), 'is no JSON object; write one {"qid": ..., "query_txt": ...'),
        ({}, (POOL, "{", "["), 'is no JSON object; write one {"did": ..., "txt": ...'),
        ({}, (POOL, "mbeir_images/016.png", "../../016.png"), "outside the folder"),
        ({"instructions": "own"}, ("instructions/query_instructions.tsv", "\t9\t", "\t7\t"), "has no instruction for"),
        ({"instructions": "own"}, ("instructions/query_instructions.tsv", "prompt_1", "prompt"), "lacks the columns"),
        ({}, (POOL, '"modality": "image"', '"modality": "smell"'), "rows of the data set cannot be used"),
    ],
)
def test_what_is_malformed_is_refused_in_one_line(
    root: Path, tmp_path: Path, changes: dict[str, object], spoil: tuple[str, str, str] | None, words: str
) -> None:
    if spoil:
        change(root, *spoil)
    with pytest.raises(DataError, match=re.escape(words)) as error:
        build_dataset(settings(root, **{"max_quarantine_share": 0.0, **changes}), tmp_path)
    assert error.value.remedy
    assert "\n" not in str(error.value)


def test_judgements_may_be_those_of_the_queries_alone(root: Path, read: Read) -> None:
    (root / QRELS).unlink()
    assert of(read(), "queries", "mscoco_task0_t2i")["test"] == CAPTIONS * N_TEST


def test_files_may_lie_side_by_side(root: Path, read: Read) -> None:
    for file in [*root.rglob("*.jsonl"), *root.rglob("*.txt")]:
        file.rename(root / file.name)
    assert of(read(), "queries", "mscoco_task0_t2i")["test"] == CAPTIONS * N_TEST


def test_one_name_may_be_judged_by_its_line_of_json(root: Path, read: Read) -> None:
    """A line of text with characters that end lines elsewhere is one line."""
    lines = [json.loads(line) for line in (root / QUERIES).read_text().splitlines()]
    lines[0]["query_txt"] = "a\u2028b\x85c"
    write_lines(root / QUERIES, [json.dumps(line, ensure_ascii=False) for line in lines])
    assert "a\u2028b\x85c" in set(read()["samples"]["text"])
