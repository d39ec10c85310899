"""Items without some features: what is removed is what the retrieval stage removes, and the parts still add up."""

from pathlib import Path

import numpy as np
import pytest

from pipeline_core import open_store
from pipeline_core.app.ablation import Ablated, Ranking
from pipeline_core.app.contributions import Explainer
from pipeline_core.app.space import Asked, open_space
from pipeline_core.errors import QueryError
from pipeline_core.library import Run
from pipeline_core.retrieval.subspaces import subspace
from tests.app.world import MODEL, SAE

COUNTS = (0, 1, 5, 8)


@pytest.fixture(scope="module")
def run(tiny_store: Path) -> Run:
    return open_store(tiny_store).run()


@pytest.fixture(scope="module")
def ablated(run: Run) -> Ablated:
    return Ablated(open_space(run, MODEL), Ranking(run, SAE))


@pytest.fixture(scope="module")
def asked(ablated: Ablated) -> Asked:
    found = ablated.space.sample("text:035", "text")
    assert found is not None
    return found


@pytest.mark.parametrize("n", COUNTS)
def test_what_is_removed_is_what_the_retrieval_stage_removes(run: Run, ablated: Ablated, n: int) -> None:
    ranked = run.features(SAE).sort("attribution_rank")["feature_id"].to_numpy()
    basis, wanted = ablated.ranking.removal(n).basis, subspace(run.sae(SAE).dictionary.numpy()[ranked[:n]])
    assert basis.shape == wanted.shape
    np.testing.assert_allclose(basis @ basis.T, wanted @ wanted.T, atol=1e-5)


def test_lengths_between_two_stops_are_those_at_a_stop(run: Run, ablated: Ablated) -> None:
    sparse = Ablated(ablated.space, Ranking(run, SAE))
    sparse.ranking.stops = [0, 4, 8]
    for name in ablated.space.sets:
        for n in range(9):
            np.testing.assert_allclose(sparse.lengths(name, n), ablated.lengths(name, n), rtol=1e-6)


def test_what_may_span_the_space_is_not_removed(ablated: Ablated) -> None:
    assert [ablated.ranking.count(share) for share in (0.0, 0.01, 0.02)] == [0, 4, 8]
    with pytest.raises(QueryError, match="9 features may span all 16 dimensions; remove 8 at most"):
        ablated.ranking.count(0.021)


@pytest.mark.parametrize("n", COUNTS)
def test_scores_are_cosines_of_what_is_left_and_their_parts_add_up(
    run: Run, ablated: Ablated, asked: Asked, n: int
) -> None:
    removal, rows = ablated.ranking.removal(n), ablated.space.items.vectors
    for name, own in ablated.space.sets.items():
        wanted = removal.apply(own.vectors[:]) @ removal.apply(asked.vector[None])[0]
        for _ in range(2):  # what was worked out of the items is remembered
            np.testing.assert_allclose(ablated.scores(asked, name, n), wanted, atol=1e-5)
    key, way = ablated.way(n)
    best = ablated.space.best(asked, {key: way}, "any", 7)[key]
    wanted = removal.apply(rows) @ removal.apply(asked.vector[None])[0]
    assert best["score"].to_list() == pytest.approx(sorted(wanted.tolist(), reverse=True)[:7], abs=1e-5)
    answers = rows[best["row"].to_numpy()]
    explained = Explainer(run.sae(SAE), SAE).explain(asked.vector, answers, [(removal, removal)] * 7)
    assert [one.score for one in explained] == pytest.approx(best["score"].to_list(), abs=1e-5)
