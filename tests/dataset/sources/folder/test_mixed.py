"""Pools that hold pictures, texts and both: what is found in them is still told by the task's type."""

from pathlib import Path

import polars as pl
import pytest

from pipeline_core.activations.plan import DatasetTables, needed_requests
from pipeline_core.contracts.validation import validate_artifact
from pipeline_core.planner.estimates import count_rows
from pipeline_core.retrieval.judgements import Judgements
from tests.dataset.conftest import Built
from tests.dataset.sources.folder.conftest import Read
from tests.dataset.sources.folder.making import draw, write_lines, write_qrels


@pytest.fixture
def mixed(root: Path, read: Read) -> Built:
    """Two texts and a picture with a text ask of two pictures, two texts, and two pictures with texts."""
    shown = {name: draw(root, f"art/{name}.png", sum(name.encode())) for name in ("p1", "p2", "b1", "b2")}
    corpus = [{"_id": name, "image": shown[name]} for name in ("p1", "p2")]
    corpus += [{"_id": name, "text": f"text of {name}"} for name in ("t1", "t2")]
    corpus += [{"_id": name, "text": f"text of {name}", "image": shown[name]} for name in ("b1", "b2")]
    asked = [{"_id": "q1", "text": "one"}, {"_id": "q2", "text": "two"}]
    write_lines(root / "queries.jsonl", [*asked, {"_id": "q3", "text": "three", "image": shown["p2"]}])
    write_lines(root / "corpus.jsonl", corpus)
    write_qrels(root, "test", ["q1 p1 2", "q1 t1 1", "q2 b1 1", "q3 b2 1"])
    built = read(mixed=True)
    validate_artifact("dataset", built.folder)
    return built


def pairs(built: Built, table: str) -> set[tuple[str, str, str]]:
    return set(built[table].select("task_id", "query_id", "sample_id").iter_rows())


def test_every_task_searches_the_whole_corpus(mixed: Built) -> None:
    told = {"t2i": "t->i", "t2t": "t->t", "t2it": "t->it", "it2it": "it->it"}
    tasks = mixed["tasks"].filter(control="none")
    assert dict(tasks.select("task_id", "task_type").iter_rows()) == {f"queries_{k}": v for k, v in told.items()}
    assert mixed["tasks"]["pool_id"].n_unique() == 1
    assert set(mixed["candidates"]["sample_id"]) == {f"corpus:{name}" for name in ("p1", "p2", "t1", "t2", "b1", "b2")}
    assert all(words.endswith("among the whole corpus, of every modality.") for words in tasks["description"])


def test_what_is_right_is_of_the_modality_asked_for_and_other_right_answers_are_none_at_all(mixed: Built) -> None:
    plain = {(task, query, sample) for task, query, sample in pairs(mixed, "qrels") if not task.endswith("only")}
    assert plain == {
        ("queries_t2i", "query:q1", "corpus:p1"),
        ("queries_t2t", "query:q1", "corpus:t1"),
        ("queries_t2it", "query:q2", "corpus:b1"),
        ("queries_it2it", "query:q3", "corpus:b2"),
    }
    barred = {(task, query, sample) for task, query, sample in pairs(mixed, "exclusions") if not task.endswith("only")}
    assert barred == {
        ("queries_t2i", "query:q1", "corpus:t1"),
        ("queries_t2t", "query:q1", "corpus:p1"),
        ("queries_it2it", "query:q3", "corpus:p2"),  # the picture that it shows
    }


def test_each_candidate_is_embedded_under_the_instruction_of_what_it_is(mixed: Built) -> None:
    pool = Judgements(mixed.folder).pool("queries_it2it", "test")
    plain = {"b": "image_and_sentence", "p": "image", "t": "text"}
    assert pool.candidate_prompts == tuple(plain[name.removeprefix("corpus:")[0]] for name in pool.candidate_ids)
    asked = {(r.sample_id, r.prompt_id) for r in needed_requests(DatasetTables.read(mixed.folder), prompts=True)}
    assert set(zip(pool.candidate_ids, pool.candidate_prompts, strict=True)) < asked
    # Pictures with texts are asked for under two instructions, by what asks.
    assert {prompt for sample, prompt in asked if sample == "corpus:b1"} == {"image_sentence", "image_and_sentence"}
    assert count_rows(mixed.folder, prompts=True).items == 8


def test_of_one_modality_alone_nothing_is_told_of_each(root: Path, read: Read) -> None:
    write_lines(root / "queries.jsonl", [{"_id": "q", "text": "one"}])
    write_lines(root / "corpus.jsonl", [{"_id": n, "image": draw(root, f"{n}.png", sum(n.encode()))} for n in "ab"])
    write_qrels(root, "test", ["q a 1"])
    built = read(mixed=True)
    assert Judgements(built.folder).pool("queries_t2i", "test").candidate_prompts == ()


def test_what_no_task_asks_for_trains_under_the_instruction_of_what_it_is(root: Path, read: Read) -> None:
    write_lines(root / "queries.jsonl", [{"_id": "q1", "text": "one"}, {"_id": "q2", "image": draw(root, "q.png", 9)}])
    corpus = [{"_id": "p", "image": draw(root, "p.png", 1)}, {"_id": "t", "text": "a text"}]
    corpus.append({"_id": "b", "text": "both", "image": draw(root, "b.png", 2)})
    write_lines(root / "corpus.jsonl", corpus)
    write_qrels(root, "test", ["q1 p 1"])
    write_qrels(root, "train", ["q2 b 1"])
    built = read(mixed=True)
    assert set(built["tasks"]["task_id"]) == {"queries_t2i"}
    requests = needed_requests(DatasetTables.read(built.folder), prompts=True)
    kept = {(request.sample_id, request.prompt_id) for request in requests if request.keeps_states}
    assert kept == {("query:q2", "image"), ("corpus:b", "image_sentence")}
    assert built["samples"].filter(pl.col("sample_id") == "corpus:b")["split"].item() == "train"
