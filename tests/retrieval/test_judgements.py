import tracemalloc
from pathlib import Path

import numpy as np
import polars as pl
import psutil
import pytest

from pipeline_core.errors import DataError
from pipeline_core.retrieval.judgements import Judgements, Pool, shuffled
from pipeline_core.retrieval.problems import problems
from pipeline_core.schema.parquet import read_table, write_table
from pipeline_core.store.peak import forget_peak, peak_memory
from tests.retrieval.synthetic import SPLITS, Study


def test_a_pool_holds_one_split_in_order_of_id(study: Study):
    pool = Judgements(study.dataset).pool("t2i", "validation")
    assert len(pool.query_ids) == len(pool.candidate_ids) == SPLITS["validation"]
    assert list(pool.query_ids) == sorted(pool.query_ids)
    assert list(pool.candidate_ids) == sorted(pool.candidate_ids)
    assert pool.query_samples[0] == f"text:{pool.query_ids[0]}"
    assert pool.n_relevant.tolist() == [1] * SPLITS["validation"]


def test_exclusions_are_rows_and_leave_fewer_candidates(study: Study):
    pool = Judgements(study.dataset).pool("i2i", "test")
    own = [f"image:{query}" for query in pool.query_ids]
    assert [pool.candidate_ids[c] for c in pool.excluded[:, 1]] == own
    assert (pool.n_available == SPLITS["test"] - 1).all()


def test_a_relevant_candidate_that_is_excluded_does_not_count(study: Study, tmp_path):
    for name in ("tasks", "queries", "candidates", "exclusions", "samples"):
        write_table(tmp_path, name, read_table(study.dataset, name))
    pool = Judgements(study.dataset).pool("i2i", "test")
    own = pl.DataFrame({"task_id": "i2i", "query_id": pool.query_ids, "sample_id": pool.query_samples, "relevance": 1})
    qrels = read_table(study.dataset, "qrels")
    write_table(tmp_path, "qrels", pl.concat([qrels, own.cast(qrels.schema)]))
    np.testing.assert_array_equal(Judgements(tmp_path).pool("i2i", "test").relevant, pool.relevant)


def test_a_control_whose_queries_share_a_phrase_keeps_the_families_of_its_task(study: Study, tmp_path):
    phrase = {"sample_id": "phrase:test", "modality": "text", "text": "in red", "group": "phrase:test", "split": "test"}
    control = pl.lit("t2i_text_only").alias("task_id")
    write_table(tmp_path, "candidates", read_table(study.dataset, "candidates"))
    for name in ("tasks", "queries", "exclusions", "qrels"):
        rows = read_table(study.dataset, name)
        copies = rows.filter(task_id="t2i").with_columns(control)
        if name == "queries":
            copies = copies.with_columns(sample_id=pl.lit(phrase["sample_id"]))
        write_table(tmp_path, name, pl.concat([rows, copies]))
    write_table(
        tmp_path, "samples", pl.concat([read_table(study.dataset, "samples"), pl.DataFrame([phrase])], how="diagonal")
    )
    judgements = Judgements(tmp_path)
    pool, of = judgements.pool("t2i_text_only", "test"), judgements.pool("t2i", "test")
    assert set(pool.query_samples) == {phrase["sample_id"]}
    assert pool.groups == of.groups == tuple(f"test/{int(query[-4:]) // 3}" for query in of.query_ids)
    np.testing.assert_array_equal(pool.judged_groups, of.judged_groups)


def kinds(n: int) -> Pool:
    """Return a pool of n queries of two families, every candidate right for every query."""
    names = tuple(f"{row:05d}" for row in range(n))
    pairs = np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), axis=-1).reshape(-1, 2)
    families = tuple(str(row % 2) for row in range(n))
    ones, nothing = np.ones(n * n, dtype=np.int64), np.empty((0, 2), dtype=np.int64)
    return Pool("t2i", "test", names, names, ("text",) * n, names, pairs, ones, nothing, families)


def test_pairs_of_kinds_with_one_caption_are_read_as_rows_and_shuffled_as_such(study: Study, tmp_path: Path):
    """A few numbers a pair: names of all of them take ten times as much, objects of Python even more."""
    n, most = 1500, 100
    pool = kinds(n)
    names = pl.Series(pool.query_ids)
    query, candidate = (names[pool.relevant[:, side]] for side in (0, 1))
    judged = {"task_id": "t2i", "query_id": query, "sample_id": candidate, "relevance": 1}
    asked = {"task_id": "t2i", "query_id": names, "sample_id": names, "split": "test", "prompt_id": "text"}
    shown = {"sample_id": names, "modality": "image", "sha256": names, "group": names, "split": "test"}
    searched = {"pool_id": "t2i", "split": "test", "sample_id": names}
    changed = {
        name: pl.concat([read_table(study.dataset, name).clear(), pl.DataFrame(rows)], how="diagonal_relaxed")
        for name, rows in {"qrels": judged, "queries": asked, "samples": shown, "candidates": searched}.items()
    }
    dataset = with_changed(study, tmp_path, **changed)
    del changed, judged, query, candidate
    held = psutil.Process().memory_info().rss
    forget_peak()
    read = Judgements(dataset).pool("t2i", "test")
    assert peak_memory() - held < most * n * n
    np.testing.assert_array_equal(read.relevant, pool.relevant)
    tracemalloc.start()
    strange = shuffled(pool, np.random.default_rng(0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < most * n * n
    np.testing.assert_array_equal(strange.relevant, pool.relevant)


def test_groups_are_those_of_judged_queries_numbered_without_a_gap():
    pool = Pool(
        "t2i",
        "test",
        ("q0", "q1", "q2", "q3"),
        ("t0", "t1", "t2", "t3"),
        ("text",) * 4,
        ("i0", "i1"),
        np.array([[0, 1], [2, 0], [3, 1]]),
        np.ones(3, dtype=np.int64),
        np.empty((0, 2), dtype=np.int64),
        ("dog", "", "cat", "dog"),
    )
    assert pool.judged_groups.tolist() == [1, 0, 1]


def test_an_empty_split_is_named(study: Study):
    with pytest.raises(DataError, match="task t2i has no queries in the split train"):
        Judgements(study.dataset).pool("t2i", "train")


@pytest.mark.parametrize("task", ["t2i", "i2i"])
def test_shuffling_gives_each_query_answers_of_another_family(study: Study, task):
    pool = Judgements(study.dataset).pool(task, "test")
    strange = shuffled(pool, np.random.default_rng(0))
    family = {sample: int(sample[-4:]) // 3 for sample in (*pool.candidate_ids, *pool.query_samples)}
    for query, candidate in strange.relevant.tolist():
        assert family[pool.query_samples[query]] != family[pool.candidate_ids[candidate]]
    assert sorted(strange.relevant[:, 1].tolist()) == sorted(pool.relevant[:, 1].tolist())
    assert (np.diff(strange.relevant[:, 0]) >= 0).all()
    assert len(strange.judged) == len(pool.judged)


def with_changed(study: Study, folder: Path, **changed: pl.DataFrame) -> Path:
    """Write the study's data set with other tables."""
    for name in ("tasks", "queries", "candidates", "exclusions", "qrels", "samples"):
        write_table(folder, name, changed.get(name, read_table(study.dataset, name)))
    return folder


def test_each_query_is_looked_up_under_its_own_prompt(study: Study, tmp_path: Path):
    queries = read_table(study.dataset, "queries")
    own = pl.when(pl.col("query_id").str.ends_with("0")).then(pl.lit("own")).otherwise("prompt_id").alias("prompt_id")
    pool = Judgements(with_changed(study, tmp_path, queries=queries.with_columns(own))).pool("t2i", "test")
    assert pool.query_prompts == tuple("own" if query.endswith("0") else "text" for query in pool.query_ids)


def test_a_benchmark_may_lack_every_split_but_test(study: Study, tmp_path: Path):
    queries = read_table(study.dataset, "queries")
    for lost, splits in (("validation", ["support", "test"]), ("support", ["validation", "test"])):
        (tmp_path / lost).mkdir()
        tested = with_changed(study, tmp_path / lost, queries=queries.filter(pl.col("split") != lost))
        for problem in problems(tested, [5]):
            assert [*problem.pools] == splits
            assert [pool.split for pool in problem.scored] == [split for split in splits if split != "support"]
    (tmp_path / "test").mkdir()
    lacking = with_changed(study, tmp_path / "test", queries=queries.filter(pl.col("split") != "test"))
    with pytest.raises(DataError, match=r"^task i2i has no queries in the split test; judge some there, or"):
        problems(lacking, [5])
