"""Judged with a model's limits in sight: what it refused is missed, what it saw alike is judged alike."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline_core.activations.limits import Limits
from pipeline_core.errors import DataError
from pipeline_core.retrieval.adaptations import adaptation_settings
from pipeline_core.retrieval.chance import chance_scores
from pipeline_core.retrieval.judgements import Judgements, Pool
from pipeline_core.retrieval.metrics import ListScorer, rank_scores
from pipeline_core.retrieval.problems import problems
from pipeline_core.retrieval.search import NEVER
from pipeline_core.retrieval.settings import RetrievalSettings, ScoringSettings
from pipeline_core.schema.parquet import read_table, write_table
from tests.limits import Key, write_limits
from tests.retrieval.scoring import evaluate
from tests.retrieval.synthetic import SPLITS, Study

KS = (1, 5, 10)
LOST = (
    ("text:test0003", "text"),
    ("image:test0010", "image"),
    ("image:test0011", "image"),
    ("text:support0001", "text"),
)


def limited(folder: Path, refused: tuple[Key, ...] = (), kept: dict[Key, str] | None = None) -> Limits:
    folder.mkdir(exist_ok=True)
    write_limits(folder, refused, kept)
    return Limits.read(folder)


def test_pools_keep_their_queries_and_candidates_whatever_is_lost(study: Study, tmp_path: Path) -> None:
    whole = Judgements(study.dataset).pool("t2i", "test")
    pool = Judgements(study.dataset, limited(tmp_path, LOST)).pool("t2i", "test")
    assert (pool.query_ids, pool.candidate_ids, pool.groups) == (whole.query_ids, whole.candidate_ids, whole.groups)
    np.testing.assert_array_equal(pool.judged, whole.judged)
    assert pool.lost_queries.tolist() == [3] and pool.lost_candidates.tolist() == [10, 11]


@pytest.mark.parametrize("task", ["t2i", "i2i"])
def test_ranks_lists_and_scores_are_those_of_the_rest_and_misses(study: Study, tmp_path: Path, task: str) -> None:
    """Against a pool that never had what is lost, and zeros for what cannot be answered."""
    pool = Judgements(study.dataset, limited(tmp_path, LOST)).pool(task, "test")
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((len(pool.query_ids), len(pool.candidate_ids))).astype(np.float32)
    result = pool.rank(scores[np.ix_(pool.queries, pool.candidates)], depth=20)
    barred = {tuple(pair) for pair in pool.excluded.tolist()}
    relevant = {tuple(pair) for pair in pool.relevant.tolist()}
    for query in range(len(pool.query_ids)):
        left = [c for c in pool.candidates.tolist() if (query, c) not in barred] if query in pool.queries else []
        order = sorted(left, key=lambda c: -scores[query, c])
        found = [c for c in result.candidates[query].tolist() if c >= 0]
        assert found == order[:20]
        hits = [place for place, c in enumerate(order, start=1) if (query, c) in relevant]
        assert result.first_relevant_rank[query] == (hits[0] if hits else NEVER)
    assert np.isnan(result.scores[pool.lost_queries]).all()
    measured = rank_scores(result.first_relevant_rank[pool.judged], KS) | ListScorer(pool, KS).scores(result)
    for row in np.flatnonzero(np.isin(pool.judged, pool.lost_queries)):
        assert {float(values[row]) for values in measured.values()} == {0.0}
    for (metric, k), values in measured.items():
        if metric == "recall":
            n_found = [len(relevant & {(q, c) for c in result.candidates[q, :k].tolist()}) for q in pool.judged]
            np.testing.assert_allclose(values, n_found / pool.n_relevant[pool.judged])


def test_vectors_and_scores_rank_alike(study: Study, tmp_path: Path) -> None:
    pool = Judgements(study.dataset, limited(tmp_path, LOST)).pool("i2i", "test")
    rng = np.random.default_rng(1)
    queries, candidates = (
        rng.standard_normal((len(rows), 8)).astype(np.float32) for rows in (pool.queries, pool.candidates)
    )
    (one,), other = pool.search([queries], lambda block: (block,), candidates, 7), pool.rank(queries @ candidates.T, 7)
    np.testing.assert_array_equal(one.candidates, other.candidates)
    np.testing.assert_array_equal(one.first_relevant_rank, other.first_relevant_rank)


def test_chance_is_what_random_rankings_of_the_rest_score(study: Study, tmp_path: Path) -> None:
    pool = Judgements(study.dataset, limited(tmp_path, LOST)).pool("i2i", "test")
    rng, n_draws = np.random.default_rng(2), 400
    totals = dict.fromkeys(product(("hit_rate", "mrr", "recall", "ndcg"), KS), 0.0)
    scorer = ListScorer(pool, KS)
    for _ in range(n_draws):
        scores = rng.standard_normal((len(pool.queries), len(pool.candidates))).astype(np.float32)
        result = pool.rank(scores, max(KS))
        for name, values in (rank_scores(result.first_relevant_rank[pool.judged], KS) | scorer.scores(result)).items():
            totals[name] += values.mean() / n_draws
    chance = chance_scores(pool, KS)
    for name, value in totals.items():
        assert value == pytest.approx(chance[name], abs=0.012), name


def test_every_system_is_scored_without_what_is_lost(study: Study, tmp_path: Path) -> None:
    activations = tmp_path / "activations"
    activations.mkdir()
    write_limits(activations, LOST)
    stored = read_table(study.activations, "embeddings")
    lost = pl.DataFrame(LOST, schema=["sample_id", "prompt_id"], orient="row")
    write_table(activations, "embeddings", stored.join(lost, on=["sample_id", "prompt_id"], how="anti"), shard=0)
    write_table(activations, "representations", read_table(study.activations, "representations"))
    folders = {}
    for name, own in (("whole", study), ("limited", replace(study, activations=activations))):
        folders[name] = tmp_path / name
        folders[name].mkdir()
        bench = own.bench(folders[name], ScoringSettings(bootstrap=50, permutations=50), adaptation_settings()())
        evaluate(bench, RetrievalSettings(single_features=2))
    one, other = (read_table(folder, "retrieval_metrics") for folder in folders.values())
    key = ["system_id", "task_id", "split", "metric", "k"]
    assert one.select(*key, "n_queries", "n_candidates", "n_groups").equals(
        other.select(*key, "n_queries", "n_candidates", "n_groups")
    )
    own = pl.col("system_id").str.ends_with("shuffled_pairs").not_()  # which are given the answers of others
    ranks = read_table(folders["limited"], "retrieval_ranks").filter(own, task_id="t2i", split="test")
    missed = ranks.filter(pl.col("first_relevant_rank") == NEVER)
    assert set(missed["query_id"]) == {"test0003", "test0010", "test0011"}
    assert missed.height == 3 * ranks["system_id"].n_unique()
    hits = read_table(folders["limited"], "retrieval_hits")
    assert not set(hits["sample_id"]) & {sample for sample, _ in LOST}
    for name in ("removal_effects", "comparisons"):
        assert read_table(folders["limited"], name).height == read_table(folders["whole"], name).height


def test_a_support_split_of_which_nothing_is_left_is_none(study: Study, tmp_path: Path) -> None:
    lost = tuple((f"text:support{n:04d}", "text") for n in range(SPLITS["support"]))
    found = {problem.task_id: problem.pools.keys() for problem in problems(study.dataset, KS, limited(tmp_path, lost))}
    assert found == {"t2i": {"validation", "test"}, "i2i": {"support", "validation", "test"}}


def test_a_pool_of_which_nothing_is_left_is_told(study: Study, tmp_path: Path) -> None:
    lost = tuple((f"image:test{n:04d}", "image") for n in range(SPLITS["test"]))
    with pytest.raises(DataError, match="the model could embed no candidate of the task t2i in the split test"):
        Judgements(study.dataset, limited(tmp_path, lost)).pool("t2i", "test")


def pairs(pool: Pool) -> set[tuple[str, str]]:
    return {(pool.query_ids[query], pool.candidate_ids[candidate]) for query, candidate in pool.relevant.tolist()}


def test_what_a_model_saw_alike_is_judged_alike(study: Study, tmp_path: Path) -> None:
    """Candidates 1 and 2 are alike, so are queries 2 and 3: what answers one answers the other."""
    kept = {("image:test0001", "image"): "a" * 32, ("image:test0002", "image"): "a" * 32}
    kept |= {("text:test0002", "text"): "b" * 32, ("text:test0003", "text"): "b" * 32}
    plain = pairs(Judgements(study.dataset).pool("t2i", "test"))
    pool = Judgements(study.dataset, limited(tmp_path, kept=kept)).pool("t2i", "test")
    added = {("test0001", 2), ("test0002", 1), ("test0002", 3), ("test0003", 1), ("test0003", 2)}
    assert pairs(pool) == plain | {(query, f"image:test{n:04d}") for query, n in added}
    assert len(pool.relevance) == len(pool.relevant) and set(pool.relevance) == {1}
    assert pool.groups[1] == pool.groups[2]


def test_an_exclusion_holds_for_the_sample_alone(study: Study, tmp_path: Path) -> None:
    kept = {(f"image:test{n:04d}", "image"): "a" * 32 for n in (0, 1)}
    plain = Judgements(study.dataset).pool("i2i", "test")
    pool = Judgements(study.dataset, limited(tmp_path, kept=kept)).pool("i2i", "test")
    np.testing.assert_array_equal(pool.excluded, plain.excluded)
    assert not pairs(pool) & {(query, f"image:{query}") for query in pool.query_ids}
    np.testing.assert_array_equal(pool.judged, plain.judged)


def test_the_same_words_under_other_pictures_are_not_alike(study: Study, tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    dataset.mkdir()
    for name in ("samples", "tasks", "queries", "candidates", "exclusions", "qrels"):
        (dataset / f"{name}.parquet").symlink_to(study.dataset / f"{name}.parquet")
    (dataset / "samples.parquet").unlink()
    samples = read_table(study.dataset, "samples")
    write_table(dataset, "samples", samples.with_columns(sha256="sample_id"))
    kept = {(f"image:test{n:04d}", "image"): "a" * 32 for n in (1, 2)}
    plain = Judgements(study.dataset).pool("t2i", "test")
    pool = Judgements(dataset, limited(tmp_path / "activations", kept=kept)).pool("t2i", "test")
    np.testing.assert_array_equal(pool.relevant, plain.relevant)
