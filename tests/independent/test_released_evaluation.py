"""The paper's evaluation, read a second time from its description, finds what the protocol finds."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.independent.exchange import HitRates, export
from tests.independent.released_evaluation import (
    Scores,
    cosines,
    embed,
    hit_rate,
    hit_rates,
    normalise,
    realign_as_released,
    realign_as_written,
    score,
    whiten,
)

pytestmark = pytest.mark.long

Rankings = dict[str, dict[str, dict[str, list[str]]]]
"""Ids of the pool, best first, by task, system and query."""

ALIKE = 1e-5
"""Cosines that differ by less may stand in either order: one of us embeds by batches, the other one by one."""

SYSTEMS = {"raw": "reference-mllm/raw", "realign": "reference-mllm/realign-code-transductive"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exchange") / "folder"
    export(folder)
    return folder


@pytest.fixture(scope="module")
def vectors(folder: Path) -> dict[str, Any]:
    return embed(folder)


@pytest.fixture(scope="module")
def scores(folder: Path, vectors: dict[str, Any]) -> Scores:
    return score(folder, vectors)


def test_hit_rates_are_those_of_the_protocol(folder: Path, scores: Scores) -> None:
    found: HitRates = hit_rates(folder, scores)
    theirs: HitRates = json.loads((folder / "hit_rates.json").read_text(encoding="utf-8"))
    # Both are a number of hits by a number of queries, but not divided by the same steps: 9 of 11 differ in one bit.
    assert _by_case(found) == pytest.approx(_by_case(theirs), abs=1e-12)


@pytest.mark.parametrize(("task", "least"), {"t2i": 300, "i2t": 300, "t2t": 250}.items())
@pytest.mark.parametrize("system", SYSTEMS)
def test_every_query_of_the_demo_ranks_the_pool_as_the_protocol_does(
    folder: Path, scores: Scores, task: str, least: int, system: str
) -> None:
    theirs, told = _theirs(folder)[task][system], _task(folder, task)
    assert len(theirs) == len(told["queries"]) > least
    assert _agree(told, scores[task][system], theirs) == len(theirs)


def test_a_query_without_an_answer_is_part_of_the_query_statistics(folder: Path, vectors: dict[str, Any]) -> None:
    """The description takes them from all test queries; without the one that nothing answers, others would be found."""
    theirs = _theirs(folder)["t2t"]["realign"]
    task = _task(folder, "t2t")
    candidates = np.stack([vectors[i] for i in task["pool"]])

    def agreeing(ids: Sequence[str]) -> int:
        queries = np.stack([vectors[i] for i in ids])
        ours = realign_as_released(queries, candidates, beta=0.1, eps=1e-5)
        return _agree({**task, "queries": ids}, ours, theirs)

    answered = [query for query in task["queries"] if query in task["qrels"]]
    assert len(theirs) == len(task["queries"]) == len(answered) + 1
    assert agreeing(task["queries"]) == len(theirs)
    assert agreeing(answered) < len(answered)


def test_whitening_divides_each_axis_by_its_shrunken_deviation() -> None:
    fitted_on = np.array([[3.0, 1.0], [-1.0, 1.0], [1.0, 2.0], [1.0, 0.0]])
    # About the mean (1, 1): variances 8/3 and 2/3, so 1/2 of shrinkage gives 13/6 and 7/6, and eps of 1/6 7/3 and 4/3.
    whitened = whiten(np.array([[2.0, 3.0]]), fitted_on, beta=0.5, eps=1 / 6)
    np.testing.assert_allclose(whitened, [[1 / np.sqrt(7 / 3), 2 / np.sqrt(4 / 3)]])


def test_as_written_queries_are_seen_by_the_statistics_of_the_support_set() -> None:
    generator = np.random.default_rng(0)
    support, candidates = generator.normal(size=(2, 40, 4))
    queries, shift = candidates[:5], np.array([5.0, 0.0, -3.0, 1.0])
    plain = realign_as_written(queries, candidates, candidates, beta=0.1, eps=1e-5)
    shifted = realign_as_written(queries + shift, candidates, candidates + shift, beta=0.1, eps=1e-5)
    np.testing.assert_allclose(shifted, plain, atol=1e-6)
    np.testing.assert_allclose(np.diagonal(plain), 1, atol=1e-6)
    alone = realign_as_written(queries[:1], candidates, support, beta=0.1, eps=1e-5)
    among = realign_as_written(queries, candidates, support, beta=0.1, eps=1e-5)
    np.testing.assert_allclose(alone, among[:1], atol=1e-6)


def test_as_released_the_length_of_a_vector_does_not_count() -> None:
    queries, candidates = np.random.default_rng(0).normal(size=(2, 8, 4)) + 1
    lengths = np.arange(1.0, 9.0)[:, None]
    plain = realign_as_released(queries, candidates, beta=0.1, eps=1e-5)
    np.testing.assert_allclose(
        realign_as_released(queries * lengths, candidates / lengths, 0.1, 1e-5), plain, atol=1e-6
    )
    np.testing.assert_allclose(cosines(queries, candidates), normalise(queries) @ normalise(candidates).T, atol=1e-6)


def test_unanswered_and_unreadable_queries_are_misses_and_equal_scores_keep_the_order_of_the_pool() -> None:
    task = {"pool": ["x", "y"], "queries": ["a", "b", "c"], "qrels": {"a": ["y"], "b": ["x"]}, "quarantined": ["d"]}
    equal = np.ones((3, 2), dtype=np.float32)
    assert hit_rate(equal, task, 1) == 0.25
    assert hit_rate(equal, task, 2) == 0.5


def _by_case(rates: HitRates) -> dict[str, float]:
    return {
        f"{task}/{system}@{k}": rate
        for task, systems in rates.items()
        for system, by_k in systems.items()
        for k, rate in by_k.items()
    }


def _task(folder: Path, name: str) -> dict[str, Any]:
    tasks: list[dict[str, Any]] = json.loads((folder / "tasks.json").read_text(encoding="utf-8"))
    return next(task for task in tasks if task["task"] == name)


def _agree(task: dict[str, Any], scores: Any, theirs: dict[str, list[str]]) -> int:
    """Return how many queries have in our scores the best of the pool, as many as they keep, in their order."""
    place, agreeing = {name: n for n, name in enumerate(task["pool"])}, 0
    for query, row in zip(task["queries"], scores, strict=True):
        kept = row[[place[name] for name in theirs[query]]]
        best = np.sort(row)[::-1][: len(kept)]
        agreeing += bool((np.abs(kept - best) < ALIKE).all())
    return agreeing


def _theirs(folder: Path) -> Rankings:
    """Return what the run left of its rankings: the best of the pool, fifty of them."""
    hits = pl.concat([pl.read_parquet(path) for path in folder.glob("store/retrieval/*/retrieval_hits/*.parquet")])
    rankings: Rankings = {}
    for system, theirs in SYSTEMS.items():
        rows = hits.filter(pl.col("system_id") == theirs).sort("task_id", "query_id", "rank")
        for task_id, query_id, sample_id in rows.select("task_id", "query_id", "sample_id").iter_rows():
            queries = rankings.setdefault(task_id.rpartition("_")[0], {}).setdefault(system, {})
            queries.setdefault(query_id.partition("/")[2], []).append(sample_id.partition(":")[2])
    return rankings
