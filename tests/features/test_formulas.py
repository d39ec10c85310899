"""The formulas against dense second implementations, and their identities, over random codes and dictionaries."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats

from pipeline_core.activations.vectors import top_count
from pipeline_core.features import attribution as attribution_module
from pipeline_core.features.attribution import attribution
from pipeline_core.features.bridge import BridgePairs, BridgeScores, bridge_blocks, reduce_bridge
from pipeline_core.features.overlap import jaccard, overlap, random_overlap, top_set
from pipeline_core.features.statistics import Energies, concentration, energies, energy_curve, ranks

SETTINGS = settings(max_examples=60, deadline=None)


class Pairs(NamedTuple):
    images: np.ndarray
    texts: np.ndarray
    dictionary: np.ndarray

    @property
    def sparse(self) -> tuple[sparse.csr_matrix, sparse.csr_matrix, np.ndarray]:
        return sparse.csr_matrix(self.images), sparse.csr_matrix(self.texts), self.dictionary

    @property
    def dense_bridge(self) -> np.ndarray:
        together = np.mean([np.outer(i, t) for i, t in zip(self.images, self.texts, strict=True)], axis=0)
        return together * (self.dictionary @ self.dictionary.T)


def bridge_matrix(*codes_and_dictionary: sparse.csr_matrix | np.ndarray) -> sparse.csr_matrix:
    return sparse.vstack(list(bridge_blocks(*codes_and_dictionary)), format="csr")


def reduced(p: Pairs, a_feature: int = 1) -> tuple[BridgeScores, BridgePairs]:
    return reduce_bridge(bridge_blocks(*p.sparse), a_feature)


@st.composite
def pairs(draw: st.DrawFn) -> Pairs:
    n, c, d = draw(st.integers(1, 12)), draw(st.integers(2, 30)), draw(st.integers(1, 8))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density = draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    codes = [generator.exponential(1.0, (n, c)) * (generator.random((n, c)) < density) for _ in range(2)]
    dictionary = generator.standard_normal((c, d))
    return Pairs(*codes, dictionary / np.linalg.norm(dictionary, axis=1, keepdims=True))


@SETTINGS
@given(pairs())
def test_bridge_equals_the_dense_matrix(p: Pairs) -> None:
    np.testing.assert_allclose(bridge_matrix(*p.sparse).toarray(), p.dense_bridge, atol=1e-12)


def test_bridge_spans_blocks_of_rows_and_keeps_co_active_entries_only() -> None:
    generator = np.random.default_rng(0)
    codes = [generator.random((20, 600)) * (generator.random((20, 600)) < 0.01) for _ in range(2)]
    p = Pairs(*codes, generator.standard_normal((600, 4)))
    bridge = bridge_matrix(*p.sparse)
    np.testing.assert_allclose(bridge.toarray(), p.dense_bridge, atol=1e-12)
    assert bridge.nnz == (np.abs(p.images.T @ p.texts) > 0).sum() < 600 * 600 / 100


@SETTINGS
@given(pairs())
def test_reductions_equal_their_definitions(p: Pairs) -> None:
    check_reductions(p)


def check_reductions(p: Pairs) -> None:
    scores, _ = reduced(p)
    dense = p.dense_bridge
    np.testing.assert_allclose(scores.diagonal, np.diag(dense), atol=1e-12)
    others = np.where(np.eye(len(dense), dtype=bool), -np.inf, dense)
    np.testing.assert_allclose(scores.largest, np.maximum(others.max(0), others.max(1)), atol=1e-12)
    np.testing.assert_allclose(scores.absolute, np.abs(dense).sum(0) + np.abs(dense).sum(1), atol=1e-12)


@pytest.mark.parametrize("density", [0.05, 1.0])
def test_reductions_span_blocks_of_rows(density: float) -> None:
    """A full bridge of features that point against each other has no zero for its maxima to end at."""
    generator = np.random.default_rng(0)
    codes = [generator.random((8, 600)) * (generator.random((8, 600)) < density) for _ in range(2)]
    p = Pairs(*codes, generator.standard_normal((600, 4)))
    check_reductions(p)
    check_strongest(p, 5)


@SETTINGS
@given(pairs())
def test_attribution_equals_its_definition(p: Pairs) -> None:
    M = p.dictionary @ p.dictionary.T
    terms = [i * (M @ t) + t * (M @ i) for i, t in zip(p.images, p.texts, strict=True)]
    np.testing.assert_allclose(attribution(*p.sparse), np.mean(terms, axis=0), atol=1e-11)


@SETTINGS
@given(pairs())
def test_attribution_is_row_sum_and_column_sum_of_the_bridge(p: Pairs) -> None:
    bridge = bridge_matrix(*p.sparse)
    both = np.asarray(bridge.sum(axis=1)).ravel() + np.asarray(bridge.sum(axis=0)).ravel()
    np.testing.assert_allclose(attribution(*p.sparse), both, atol=1e-11)


@SETTINGS
@given(pairs())
def test_attribution_adds_up_to_twice_the_similarity(p: Pairs) -> None:
    similarity = np.mean(np.einsum("nd,nd->n", p.images @ p.dictionary, p.texts @ p.dictionary))
    np.testing.assert_allclose(attribution(*p.sparse).sum(), 2 * similarity, atol=1e-10)


@SETTINGS
@given(pairs())
def test_attribution_is_what_a_feature_adds_to_the_other_side(p: Pairs) -> None:
    image_hat, text_hat = p.images @ p.dictionary, p.texts @ p.dictionary
    each = p.images * (text_hat @ p.dictionary.T) + p.texts * (image_hat @ p.dictionary.T)
    np.testing.assert_allclose(attribution(*p.sparse), each.mean(axis=0), atol=1e-11)


@SETTINGS
@given(pairs())
def test_attribution_a_few_dimensions_at_a_time_is_the_same_to_the_last_bit(p: Pairs) -> None:
    whole = attribution(*p.sparse)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attribution_module, "_HELD", 2 * len(p.images))
        assert np.array_equal(attribution(*p.sparse), whole)


@SETTINGS
@given(pairs(), st.integers(1, 5))
def test_strongest_pairs_are_the_largest_of_each_row(p: Pairs, a_feature: int) -> None:
    check_strongest(p, a_feature)


def check_strongest(p: Pairs, a_feature: int) -> None:
    _, found = reduced(p, a_feature)
    np.testing.assert_allclose(found.values, p.dense_bridge[found.rows, found.columns], atol=1e-12)
    active = (p.images.T @ p.texts) > 0
    for f, row in enumerate(np.abs(p.dense_bridge)):
        kept = found.columns[found.rows == f]
        assert len(kept) == len(set(kept)) == min(a_feature, active[f].sum())
        assert (np.diff(row[kept]) <= 1e-12).all()
        np.testing.assert_allclose(np.sort(row[kept]), np.sort(row[active[f]])[::-1][: len(kept)][::-1], atol=1e-12)


@SETTINGS
@given(pairs(), st.integers(1, 9))
def test_energies_equal_the_dense_means(p: Pairs, more_texts: int) -> None:
    texts = np.concatenate([p.texts] * more_texts)
    measured = energies(sparse.csr_matrix(p.images), sparse.csr_matrix(texts))
    everything = np.concatenate([p.images, texts])
    np.testing.assert_allclose(measured.energy, everything.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(measured.frequency, (everything > 0).mean(axis=0))
    np.testing.assert_allclose(measured.image, p.images.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(measured.text, texts.mean(axis=0), atol=1e-12)
    dead = everything.sum(axis=0) == 0
    np.testing.assert_array_equal(np.isnan(measured.modality), dead)
    alone = energies(sparse.csr_matrix(p.images), sparse.csr_matrix(p.texts)).modality
    np.testing.assert_allclose(measured.modality, alone, atol=1e-12)
    assert ((measured.modality[~dead] >= 0) & (measured.modality[~dead] <= 1)).all()


def test_modality_tells_text_from_picture() -> None:
    images = sparse.csr_matrix(np.array([[2.0, 0.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0]]))
    texts = sparse.csr_matrix(np.array([[0.0, 5.0, 3.0, 0.0]]))
    np.testing.assert_array_equal(energies(images, texts).modality, [0.0, 1.0, 0.75, np.nan])


@SETTINGS
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40), st.floats(0.001, 0.999))
def test_top_set_is_the_head_of_the_ranking(scores: list[int], share: float) -> None:
    values = np.array(scores, dtype=float)
    ranked = sorted(range(len(scores)), key=lambda f: (-scores[f], f))
    assert ranks(values).tolist() == [ranked.index(f) + 1 for f in range(len(scores))]
    members = top_set(values, share)
    assert sorted(np.flatnonzero(members)) == sorted(ranked[: top_count(share, len(scores))])


@pytest.mark.parametrize(
    ("share", "c", "size"),
    [(0.01, 4096, 41), (0.07, 100, 7), (0.07, 10_000, 700), (0.05, 100, 5), (0.001, 10, 1), (0.005, 1024, 6)],
)
def test_top_sets_round_up(share: float, c: int, size: int) -> None:
    assert top_set(np.zeros(c), share).sum() == size


@SETTINGS
@given(st.integers(0, 10_000), st.integers(2, 60), st.floats(0.01, 0.99))
def test_overlap_is_symmetric_bounded_and_one_for_equal_scores(seed: int, c: int, share: float) -> None:
    a, b, e = np.random.default_rng(seed).standard_normal((3, c))
    one, other = overlap(e, a, b, share), overlap(e, b, a, share)
    assert one.energy_attribution == other.energy_bridge
    assert one.attribution_bridge == other.attribution_bridge
    assert one.triple == other.triple <= min(one.energy_attribution, one.energy_bridge, one.attribution_bridge)
    same = overlap(a, a, a, share)
    assert (same.energy_attribution, same.energy_bridge, same.attribution_bridge, same.triple) == (1, 1, 1, 1)
    sets = [set(np.flatnonzero(top_set(scores, share))) for scores in (e, a, b)]
    assert one.energy_attribution == pytest.approx(len(sets[0] & sets[1]) / len(sets[0] | sets[1]))
    assert one.triple == pytest.approx(len(set.intersection(*sets)) / len(set.union(*sets)))


def test_disjoint_sets_do_not_overlap() -> None:
    assert jaccard((np.array([True, False]), np.array([False, True]))) == 0


@SETTINGS
@given(st.lists(st.floats(0, 1e3), min_size=1, max_size=50))
def test_energy_curve_rises_to_one_with_falling_steps(values: list[float]) -> None:
    curve = energy_curve(np.array(values))
    total = sum(values)
    steps = np.diff(curve, prepend=0.0)
    assert (steps >= -1e-12).all()
    assert (np.diff(steps) <= 1e-12).all()
    assert curve[-1] == pytest.approx(1.0 if total > 0 else 0.0)
    if total > 1e-6:
        np.testing.assert_allclose(curve, np.cumsum(sorted(values, reverse=True)) / total, atol=1e-9)


def test_random_overlap_is_that_of_independent_sets() -> None:
    """Two sets of s among m share x features by a hypergeometric law: J = x / (2s - x)."""
    s, m = 6, 20
    found = random_overlap(s, m)
    shared = np.arange(s + 1)
    law = stats.hypergeom(m, s, s)
    expected = (law.pmf(shared) * shared / (2 * s - shared)).sum()
    assert found.pair == pytest.approx(expected, abs=0.01)
    assert found.pair_low == pytest.approx(law.ppf(0.025) / (2 * s - law.ppf(0.025)))
    assert found.triple < found.pair
    assert found == random_overlap(s, m)
    assert random_overlap(s, m) != random_overlap(s, m + 1)


def test_nothing_is_drawn_where_the_sets_take_all_that_hold_the_energy() -> None:
    assert random_overlap(6, 6).pair is None
    assert random_overlap(6, 7).pair is not None


def test_concentration_of_features_without_energy() -> None:
    zero = np.zeros(3)
    found = concentration(Energies(zero, zero, zero, zero, zero))
    assert (found.n_live, found.n_holding, found.n_always_on, found.always_on_energy) == (0, 0, 0, 0.0)
