import importlib
from dataclasses import replace

import ir_measures
import numba
import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from pipeline_core.retrieval import metrics
from pipeline_core.retrieval.chance import chance_scores
from pipeline_core.retrieval.judgements import Pool
from pipeline_core.retrieval.maps import unit
from pipeline_core.retrieval.metrics import ListScorer, rank_scores
from pipeline_core.retrieval.search import SearchResult, search

KS = (1, 3, 5)


def pool(seed: int = 0, n_queries: int = 12, n_candidates: int = 9) -> Pool:
    """A pool with graded judgements, exclusions, and one query without a relevant candidate."""
    rng = np.random.default_rng(seed)
    draws = rng.random((n_queries, n_candidates))
    draws[4] = 0.5
    relevant, excluded = np.argwhere(draws < 0.2), np.argwhere(draws > 0.9)
    return Pool(
        "t2i",
        "test",
        tuple(f"q{n:02d}" for n in range(n_queries)),
        tuple(f"text:{n}" for n in range(n_queries)),
        ("text",) * n_queries,
        tuple(f"image:{n}" for n in range(n_candidates)),
        relevant,
        rng.integers(1, 4, len(relevant)),
        excluded,
        ("",) * n_queries,
    )


def result(of: Pool, seed: int = 1) -> SearchResult:
    rng = np.random.default_rng(seed)
    queries, candidates = (
        unit(rng.standard_normal((len(ids), 4)).astype(np.float32)) for ids in (of.query_ids, of.candidate_ids)
    )
    return search(queries, candidates, of.relevant, of.excluded, depth=len(of.candidate_ids))


def test_a_query_without_relevant_candidates_is_left_out():
    assert 4 not in pool().judged
    assert ListScorer(pool(), KS).scores(result(pool()))["recall", 3].shape == (len(pool().judged),)
    assert len(pool().judged) < len(pool().query_ids)


def test_rank_scores_equal_ir_measures():
    of, found = pool(), result(pool())
    qrels = {str(q): {} for q in of.judged}
    for (q, c), relevance in zip(of.relevant.tolist(), of.relevance.tolist(), strict=True):
        qrels[str(q)][str(c)] = relevance
    ours = rank_scores(found.first_relevant_rank[of.judged], KS)
    for k in KS:
        run = {str(q): {str(c): -float(n) for n, c in enumerate(found.candidates[q, :k]) if c >= 0} for q in of.judged}
        for measure, name in ((ir_measures.Success @ k, "hit_rate"), (ir_measures.RR, "mrr")):
            values = {m.query_id: m.value for m in ir_measures.iter_calc([measure], qrels, run)}
            np.testing.assert_allclose(ours[name, k], [values[str(q)] for q in of.judged])


@pytest.mark.parametrize("depth", [2, 14])
def test_recall_and_ndcg_are_those_of_trec_eval_to_the_last_bit(monkeypatch: pytest.MonkeyPatch, depth: int):
    monkeypatch.setattr(metrics, "_BLOCK", 100)
    of = pool(3, n_queries=301, n_candidates=14)
    found = result(of)
    found = replace(found, candidates=found.candidates[:, :depth])
    qrels = {str(q): {} for q in of.judged}
    for (q, c), relevance in zip(of.relevant.tolist(), of.relevance.tolist(), strict=True):
        qrels[str(q)][str(c)] = relevance
    # Ranks stand for scores: trec_eval breaks ties by descending id, we by ascending.
    run = {str(q): {str(c): -float(n) for n, c in enumerate(found.candidates[q]) if c >= 0} for q in of.judged}
    ours = ListScorer(of, KS).scores(found)
    for k in KS:
        for measure, name in ((ir_measures.R @ k, "recall"), (ir_measures.nDCG @ k, "ndcg")):
            values = {m.query_id: m.value for m in ir_measures.iter_calc([measure], qrels, run)}
            np.testing.assert_array_equal(ours[name, k], [values[str(q)] for q in of.judged])


def test_recall_and_ndcg_agree_with_direct_readings():
    of, found = pool(), result(pool())
    ours = ListScorer(of, KS).scores(found)
    for n, q in enumerate(of.judged):
        gains = np.zeros(len(of.candidate_ids))
        mine = of.relevant[:, 0] == q
        gains[of.relevant[mine, 1]] = of.relevance[mine]
        listed = [c for c in found.candidates[q] if c >= 0]
        order = np.zeros(len(gains))
        order[listed] = np.arange(len(listed), 0, -1)
        for k in KS:
            assert ours["recall", k][n] == pytest.approx((gains[listed[:k]] > 0).sum() / (gains > 0).sum())
            available = np.array(listed)
            expected = ndcg_score(gains[None, available], order[None, available], k=k)
            assert ours["ndcg", k][n] == pytest.approx(expected)


@pytest.fixture
def ranx(monkeypatch):
    """The library as plain Python: compiling its few functions would take longer than all tests of this folder."""
    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)
    return importlib.import_module("ranx")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("graded", [False, True])
def test_every_metric_equals_ranx(ranx, seed, graded):
    of = pool(seed, n_queries=25, n_candidates=14)
    if not graded:
        of = replace(of, relevance=np.ones_like(of.relevance))
    found = result(of, seed + 100)
    qrels, run = {}, {}
    for (q, c), relevance in zip(of.relevant.tolist(), of.relevance.tolist(), strict=True):
        qrels.setdefault(f"q{q:02d}", {})[str(c)] = relevance
    for q in of.judged:
        listed = zip(found.candidates[q].tolist(), found.scores[q].tolist(), strict=True)
        run[f"q{q:02d}"] = {str(c): score for c, score in listed if c >= 0}
    ours = rank_scores(found.first_relevant_rank[of.judged], KS) | ListScorer(of, KS).scores(found)
    assert len(ours) == 4 * len(KS)
    names = {name: f"{name[0]}@{name[1]}" for name in ours}
    theirs = ranx.evaluate(ranx.Qrels(qrels), ranx.Run(run), list(names.values()), return_mean=False)
    for name, measure in names.items():
        np.testing.assert_allclose(ours[name], theirs[measure], atol=1e-12, err_msg=measure)
        assert 0 < ours[name].mean() < 1, "a score that tells systems apart"


def test_chance_is_what_random_orders_score():
    of = pool()
    totals = dict.fromkeys(chance_scores(of, KS), 0.0)
    rounds = 1500
    scorer = ListScorer(of, KS)
    for seed in range(rounds):
        found = shuffled_lists(of, np.random.default_rng(seed))
        scores = rank_scores(found.first_relevant_rank[of.judged], KS) | scorer.scores(found)
        for name, values in scores.items():
            totals[name] += values.mean() / rounds
    for name, expected in chance_scores(of, KS).items():
        assert totals[name] == pytest.approx(expected, abs=0.012), name


def test_chance_at_the_whole_pool_is_certain():
    of = replace(pool(), excluded=np.empty((0, 2), dtype=np.int64))
    chance = chance_scores(of, [len(of.candidate_ids)])
    assert chance["hit_rate", 9] == pytest.approx(1.0)
    assert chance["recall", 9] == pytest.approx(1.0)


def shuffled_lists(of: Pool, rng: np.random.Generator) -> SearchResult:
    barred, right = set(map(tuple, of.excluded.tolist())), set(map(tuple, of.relevant.tolist()))
    lists, firsts = [], []
    for q in range(len(of.query_ids)):
        order = [c for c in rng.permutation(len(of.candidate_ids)).tolist() if (q, c) not in barred]
        lists.append(order + [-1] * (len(of.candidate_ids) - len(order)))
        firsts.append(next((rank for rank, c in enumerate(order, 1) if (q, c) in right), 0))
    candidates = np.array(lists)
    return SearchResult(candidates, np.zeros(candidates.shape, dtype=np.float32), np.array(firsts))
