"""Scores of all items are the inner products that the maps give; what a score is made of adds up to it."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline_core import open_store
from pipeline_core.activations.vectors import Matrix
from pipeline_core.app.ablation import Ranking
from pipeline_core.app.contributions import Explainer
from pipeline_core.app.space import CENTRED, RAW, REALIGNED, SYSTEMS, Asked, Space, open_space
from pipeline_core.codes.encode import encode_vectors
from pipeline_core.errors import QueryError
from pipeline_core.library import Run, fit_adaptation
from pipeline_core.retrieval.adaptations import ADAPTATIONS
from pipeline_core.retrieval.maps import Projection, Whitening
from tests.app.world import MODEL, SAE

BETAS = (0.0, 0.1, 0.7, 1.0)


@pytest.fixture(scope="module")
def run(tiny_store: Path) -> Run:
    return open_store(tiny_store).run()


@pytest.fixture(scope="module")
def space(run: Run) -> Space:
    return open_space(run, MODEL)


@pytest.fixture(scope="module")
def asked(space: Space) -> Asked:
    found = space.sample("text:035", "text")
    assert found is not None
    return found


def best_of(space: Space, asked: Asked, system: str, to: str, k: int, beta: float) -> pl.DataFrame:
    key, way = space.way(system, beta)
    return space.best(asked, {key: way}, to, k)[key]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("beta", BETAS)
def test_scores_are_the_inner_products_of_the_maps(space: Space, asked: Asked, system: str, beta: float) -> None:
    assert len(space.sets) == 2
    for answering, own in space.sets.items():
        left, right = space.maps(system, asked.group, answering, beta)
        wanted = right.apply(own.vectors[:]) @ left.apply(asked.vector[None])[0]
        np.testing.assert_allclose(space.scores(asked, system, answering, beta), wanted, atol=1e-5)
        # As the console works them out, of some: one product with the raw vectors.
        rows = own.rows[5:20:3]
        told = own.linear(space.way(system, beta)[1](asked, answering), rows)
        retold = (space.items.vectors[rows] @ told.direction + told.added) / told.lengths
        np.testing.assert_allclose(retold, wanted[5:20:3], atol=1e-5)


@pytest.mark.parametrize("to", ["image", "text", "any"])
def test_the_best_are_the_largest_scores_in_order(space: Space, asked: Asked, to: str) -> None:
    best = best_of(space, asked, RAW, to, 7, 0.1)
    scores = {name: space.scores(asked, RAW, name, 0.1) for name in space.sets if to in ("any", name.partition(":")[0])}
    wanted = sorted(np.concatenate(list(scores.values())).tolist(), reverse=True)[:7]
    assert best["score"].to_list() == pytest.approx(wanted, abs=1e-6)
    assert best["sample_id"].n_unique() == 7
    if to != "image":
        assert best["sample_id"][0] == "text:035"


def test_the_best_are_the_same_alone_and_in_a_pass_with_others(run: Run, asked: Asked) -> None:
    for beta in (0.1, 0.33):
        together, alone = open_space(run, MODEL), open_space(run, MODEL)
        ways = dict(together.way(system, beta) for system in SYSTEMS)
        found = dict(zip(SYSTEMS, together.best(asked, ways, "any", 5).values(), strict=True))
        for system in SYSTEMS:
            one = best_of(alone, asked, system, "any", 5, beta)
            assert one["sample_id"].to_list() == found[system]["sample_id"].to_list()
            assert one["score"].to_list() == pytest.approx(found[system]["score"].to_list(), abs=1e-6)
        assert not best_of(together, asked, REALIGNED, "any", 5, 0.7).equals(found[REALIGNED])
        assert best_of(together, asked, REALIGNED, "any", 5, beta).equals(found[REALIGNED])


def test_questions_of_several_visitors_in_one_pass_are_answered_as_each_alone(space: Space) -> None:
    own = space.sets["image:image"]
    asked = [space.sample(f"text:{n:03}", "text") for n in range(8)]
    met = [space.way(REALIGNED, 0.1)[1](one, "image:image") for one in asked if one is not None]
    blocks = [
        np.stack([one.turned for one in met[start:end]]).astype(np.float32) for start, end in ((0, 1), (1, 6), (6, 8))
    ]
    found = own._products(blocks)
    assert [len(block) for block in found] == [1, 5, 2]
    for row, one in zip(np.concatenate(found), met, strict=True):
        np.testing.assert_allclose(row / one.lengths, own.cosines([one])[0], atol=1e-6)


def test_more_answers_than_there_are_are_all(space: Space, asked: Asked) -> None:
    assert best_of(space, asked, REALIGNED, "image", 500, 0.1).height == 40


def test_a_sample_that_was_not_embedded_is_no_question(run: Run, space: Space) -> None:
    assert open_space(run, "reference-contrastive").sample("image_text:000", "image_text") is None
    assert space.sample("nobody", "text") is None


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("beta", BETAS)
def test_the_parts_of_a_score_add_up_to_it(run: Run, space: Space, asked: Asked, system: str, beta: float) -> None:
    best = best_of(space, asked, system, "any", 10, beta)
    maps = [space.maps(system, asked.group, answering, beta) for answering in best["answering"]]
    answers = space.items.vectors[best["row"].to_numpy()]
    explained = Explainer(run.sae(SAE), SAE).explain(asked.vector, answers, maps)
    assert [one.score for one in explained] == pytest.approx(best["score"].to_list(), abs=1e-5)
    for one in explained:
        parts, others = one.shown(3)
        assert sum(part for _, part in parts) + others + one.means + one.unexplained == pytest.approx(one.score)
        assert [abs(part) for _, part in parts] == sorted((abs(part) for _, part in one.features), reverse=True)[:3]


def test_a_part_is_what_taking_the_feature_out_of_either_side_takes(run: Run, space: Space, asked: Asked) -> None:
    sae, (left, right) = run.sae(SAE), space.maps(CENTRED, asked.group, "image:image", 0.1)
    answer = space.sets["image:image"].vectors[:1]
    (explained,) = Explainer(sae, SAE).explain(asked.vector, answer, [(left, right)])
    codes = encode_vectors(sae, np.stack([asked.vector, answer[0]]), SAE).toarray().astype(np.float64)
    sides = [asked.vector - left.mean, answer[0] - right.mean]  # type: ignore[union-attr]
    lengths = np.linalg.norm(sides[0]) * np.linalg.norm(sides[1])
    dictionary = sae.dictionary.numpy().astype(np.float64)
    for feature, part in explained.features:
        without = [side - code[feature] * dictionary[feature] for side, code in zip(sides, codes, strict=True)]
        taken = [sides[0] @ sides[1] - without[0] @ sides[1], sides[0] @ sides[1] - sides[0] @ without[1]]
        assert part == pytest.approx(sum(taken) / 2 / lengths, abs=1e-9)
    assert {feature for feature, _ in explained.features} == set(np.flatnonzero(codes.any(axis=0)).tolist())


@pytest.mark.parametrize("name", sorted(ADAPTATIONS))
def test_under_every_adaptation_the_parts_add_up_to_the_score(run: Run, space: Space, asked: Asked, name: str) -> None:
    answers = space.sets["image:image"].vectors[:]
    try:
        maps = fit_adaptation(name, space.sets["text:text"].vectors[:], answers)
    except QueryError:  # removal and the head need more than vectors: they are a projection and a whitening
        removal = Ranking(run, SAE).removal(3).basis
        turn = np.linalg.qr(answers[:16])[0]
        maps = (
            Projection(removal),
            Whitening(0.1 * answers.mean(axis=0), turn, np.arange(1.0, 17.0), None, unit_input=True),
        )
    scores = maps[1].apply(answers[:5]) @ maps[0].apply(asked.vector[None])[0]
    explained = Explainer(run.sae(SAE), SAE).explain(asked.vector, answers[:5], [maps] * 5)
    assert [one.score for one in explained] == pytest.approx(scores.tolist(), abs=1e-5)


def test_a_map_that_is_not_linear_is_not_explained(run: Run, asked: Asked) -> None:
    class Squares:
        def apply(self, vectors: Matrix) -> Matrix:
            return vectors**2

    with pytest.raises(TypeError, match="Squares is not explained"):
        Explainer(run.sae(SAE), SAE).explain(asked.vector, asked.vector[None], [(Squares(), Squares())])
