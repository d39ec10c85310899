import numpy as np
import pytest

from pipeline_core.parquet import read_table
from pipeline_core.retrieval.adaptations import unit
from pipeline_core.retrieval.fitting import TaskVectors, fit
from pipeline_core.retrieval.judgements import Judgements
from pipeline_core.retrieval.removal import plan_removal
from pipeline_core.retrieval.spectrum import spectrum
from pipeline_core.retrieval.systems import System
from pipeline_core.retrieval.whitening import realign
from pipeline_core.vectors import load_dictionary, load_embeddings
from tests.retrieval.synthetic import SPLITS, Study


@pytest.fixture
def vectors(study: Study) -> TaskVectors:
    judgements = Judgements(study.dataset)
    pools = {split: judgements.pool("t2i", split) for split in SPLITS}
    return TaskVectors(load_embeddings(study.activations), pools, "text", "image")


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
    fitted = fit(system, vectors, "test", ())
    for adaptation, parts in zip(fitted, (query_parts, candidate_parts), strict=True):
        statistics = np.concatenate([vectors.of(*part) for part in parts])
        normalise = variant == "code"
        expected = realign(spectrum(unit(statistics) if normalise else statistics), 0.1, 1e-5, unit_input=normalise)
        some = vectors.of("test", "queries")
        np.testing.assert_allclose(adaptation.apply(some), expected.apply(some), atol=1e-6)


def test_principal_components_are_those_of_support_on_both_sides(study: Study, vectors: TaskVectors):
    sae = study.saes[0]
    plan = plan_removal(
        sae.sae_id, read_table(sae.features, "features"), load_dictionary(sae.sae), share=0.05, n_singles=0, seed=0
    )
    system = System("s", "removal", "s", selection="principal_components", sae_id=sae.sae_id)
    queries, candidates = fit(system, vectors, "test", [plan])
    assert queries is candidates
    support = np.concatenate([vectors.of("support", "queries"), vectors.of("support", "candidates")])
    _, _, right = np.linalg.svd(support - support.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(right[: plan.rank] @ queries.basis), np.eye(plan.rank), atol=1e-3)
