from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline_core.activations.spilled import Room
from pipeline_core.activations.vectors import VectorBlocks, load_embeddings
from pipeline_core.errors import DataError
from pipeline_core.retrieval.adaptations import System
from pipeline_core.retrieval.adaptations.ledoit_wolf import ledoit_wolf
from pipeline_core.retrieval.adaptations.mean_removal import mean_removal
from pipeline_core.retrieval.adaptations.oas import oas
from pipeline_core.retrieval.adaptations.pca import pca
from pipeline_core.retrieval.adaptations.realign import realign
from pipeline_core.retrieval.adaptations.transport import transport
from pipeline_core.retrieval.adaptations.zca import zca
from pipeline_core.retrieval.fitting import SpectrumCache, TaskStatistics, TaskVectors, fit
from pipeline_core.retrieval.judgements import Judgements
from pipeline_core.retrieval.maps import Centring, Identity, Map, Projection, unit
from pipeline_core.retrieval.spectrum import Spectrum, spectrum
from tests.retrieval.synthetic import SPLITS, Study

SUPPORT = [("support", "queries"), ("support", "candidates")]


@pytest.fixture
def embeddings(study: Study) -> VectorBlocks:
    return load_embeddings(study.activations)


@pytest.fixture
def of_task(study: Study, embeddings: VectorBlocks) -> Callable[..., TaskVectors]:
    """Makes the vectors of a task, with or without spectra shared."""
    judgements = Judgements(study.dataset)

    def make(task_id: str, spectra: SpectrumCache | None = None) -> TaskVectors:
        pools = {split: judgements.pool(task_id, split) for split in SPLITS}
        return TaskVectors(embeddings, pools, "image", spectra)

    return make


@pytest.fixture
def vectors(of_task: Callable[..., TaskVectors]) -> TaskVectors:
    return of_task("t2i")


def test_the_raw_embedding_fits_nothing(vectors: TaskVectors):
    assert fit(System("raw", "identity", "raw"), vectors, "test") == (Identity(), Identity())


@pytest.mark.parametrize(
    ("fit_on", "query_parts", "candidate_parts"),
    [
        ("candidates", [("support", "queries")], [("test", "candidates")]),
        ("support", [("support", "queries")], [("support", "candidates")]),
        ("joint", [("support", "queries"), ("test", "candidates")], [("support", "queries"), ("test", "candidates")]),
        ("test_queries", [("test", "queries")], [("test", "candidates")]),
    ],
)
@pytest.mark.parametrize("variant", ["text", "code"])
def test_each_side_has_the_statistics_that_the_system_names(vectors, fit_on, query_parts, candidate_parts, variant):
    system = System("s", "realign", "s", variant, fit_on, beta=0.1, eps=1e-5)
    fitted = fit(system, vectors, "test")
    for adaptation, parts in zip(fitted, (query_parts, candidate_parts), strict=True):
        statistics = np.concatenate([vectors.of(*part) for part in parts])
        normalise = variant == "code"
        expected = realign(spectrum(unit(statistics) if normalise else statistics), 0.1, 1e-5, unit_input=normalise)
        some = vectors.of("test", "queries")
        np.testing.assert_allclose(adaptation.apply(some), expected.apply(some), atol=2e-5)


@pytest.mark.parametrize(
    ("adaptation", "expected"),
    [
        ("mean_removal", mean_removal),
        ("pca", lambda side: pca(side, 1e-4, 3)),
        ("zca", lambda side: zca(side, 1e-4)),
        ("realign", lambda side: realign(side, 0.3, 1e-4)),
        ("ledoit_wolf", ledoit_wolf),
        ("oas", oas),
    ],
)
def test_each_adaptation_is_fitted_by_its_name_on_each_side(
    vectors: TaskVectors, adaptation: str, expected: Callable[[Spectrum], Map]
):
    rank = 3 if adaptation == "pca" else None
    system = System("s", adaptation, "s", fit_on="support", beta=0.3, eps=1e-4, rank=rank)
    fitted = fit(system, vectors, "test")
    some = vectors.of("test", "queries")
    for ours, side in zip(fitted, TaskStatistics(vectors, system, "test").sides(), strict=True):
        np.testing.assert_array_equal(ours.apply(some), expected(side).apply(some))


def test_transport_is_fitted_on_both_sides_at_once(vectors: TaskVectors):
    system = System("s", "transport", "s", fit_on="candidates", beta=0.3)
    expected = transport(*TaskStatistics(vectors, system, "test").sides(), 0.3)
    for side, ours, theirs in zip(("queries", "candidates"), fit(system, vectors, "test"), expected, strict=True):
        some = vectors.of("test", side)
        np.testing.assert_array_equal(ours.apply(some), theirs.apply(some))


def test_principal_components_are_those_of_support_on_both_sides(vectors: TaskVectors):
    system = System("s", "removal", "s", fit_on="support", selection="principal_components", rank=4)
    queries, candidates = fit(system, vectors, "test")
    assert queries is candidates
    assert isinstance(queries, Projection)
    support = np.concatenate([vectors.of(*part) for part in SUPPORT])
    _, _, right = np.linalg.svd(support - support.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(right[:4] @ queries.basis), np.eye(4), atol=1e-3)


def test_the_mean_removed_as_a_control_is_that_of_support_on_both_sides(vectors: TaskVectors):
    queries, candidates = fit(System("s", "removal", "s", fit_on="support", selection="mean"), vectors, "test")
    assert queries is candidates
    assert isinstance(queries, Centring)
    support = np.concatenate([vectors.of(*part) for part in SUPPORT])
    np.testing.assert_allclose(queries.mean, support.mean(axis=0, dtype=np.float64))


def test_other_removals_project_out_their_basis(vectors: TaskVectors):
    basis = np.eye(16, dtype=np.float32)[:, [1]]
    queries, candidates = fit(System("s", "removal", "s", selection="attribution", basis=basis), vectors, "test")
    assert queries is candidates
    assert isinstance(queries, Projection)
    assert queries.basis is basis


def test_tasks_that_share_samples_share_spectra(of_task: Callable[..., TaskVectors], embeddings: VectorBlocks):
    spectra = SpectrumCache(embeddings)
    of_texts, of_pictures = of_task("t2i", spectra), of_task("i2i", spectra)
    candidates = (("support", "candidates"),)
    assert of_texts.spectrum(candidates) is of_pictures.spectrum(candidates)
    assert of_texts.spectrum(candidates) is not of_texts.spectrum(candidates, unit_input=True)
    assert of_texts.spectrum((("support", "queries"),)) is not of_pictures.spectrum((("support", "queries"),))


def test_shared_spectra_are_those_that_a_task_finds_by_itself(
    of_task: Callable[..., TaskVectors], embeddings: VectorBlocks
):
    spectra = SpectrumCache(embeddings)
    parts = (("support", "candidates"), ("support", "queries"))
    of_task("i2i", spectra).spectrum(parts)
    shared, own = of_task("t2i", spectra).spectrum(parts), of_task("t2i").spectrum(parts[::-1])
    np.testing.assert_array_equal(shared.mean, own.mean)
    np.testing.assert_array_equal(shared.eigenvectors, own.eigenvectors)


def test_a_sample_that_is_twice_in_a_set_counts_twice(embeddings: VectorBlocks):
    spectra = SpectrumCache(embeddings)
    doubled = spectra.of(np.array([0, 1, 0]), False)
    np.testing.assert_allclose(doubled.mean, embeddings.take(np.array([0, 1, 0])).mean(axis=0, dtype=np.float64))
    assert doubled is not spectra.of(np.array([0, 1]), False)


def test_the_longest_unused_spectrum_makes_room(embeddings: VectorBlocks, tmp_path: Path):
    two = Room(4 * 2 * 12 * embeddings.width**2, tmp_path)  # of which they may take a quarter
    spectra = SpectrumCache(embeddings, two)
    sets = [np.array([n, n + 1]) for n in range(3)]
    first, second = (spectra.of(rows, False) for rows in sets[:2])
    assert spectra.of(sets[0], False) is first
    spectra.of(sets[2], False)
    assert spectra.of(sets[0], False) is first
    assert spectra.of(sets[1], False) is not second


def test_candidates_of_a_mixed_pool_are_read_each_under_its_own_prompt(embeddings: VectorBlocks, study: Study):
    pool = Judgements(study.dataset).pool("t2i", "test")
    found, under = ("image:test0001", "text:test0000", "text:test0001"), ("image", "text", "text")
    lost = np.array([1])
    mixed = replace(pool, candidate_ids=found, candidate_prompts=under, lost_candidates=lost)
    vectors = TaskVectors(embeddings, {"test": mixed}, "image").of("test", "candidates")
    rows = embeddings.rows_of([found[0], found[2]], ["image", "text"])
    np.testing.assert_array_equal(vectors, embeddings.take(rows))


def test_too_few_vectors_are_refused_by_the_name_of_task_and_part(embeddings: VectorBlocks, study: Study):
    pool = Judgements(study.dataset).pool("t2i", "support")
    single = type(pool)(**{**vars(pool), "candidate_ids": pool.candidate_ids[:1]})
    vectors = TaskVectors(embeddings, {"support": single}, "image")
    with pytest.raises(DataError, match="task t2i has 1 support candidates, too few to fit statistics on"):
        vectors.spectrum((("support", "candidates"),))
