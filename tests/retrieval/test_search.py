import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_core.retrieval import search as module
from pipeline_core.retrieval import tiles
from pipeline_core.retrieval.maps import unit
from pipeline_core.retrieval.search import Pairs, rank, search, search_all

NONE: Pairs = np.empty((0, 2), dtype=np.int64)


def brute_force(queries, candidates, relevant, excluded, depth):
    """A second implementation: python sorting by (score descending, row ascending)."""
    scores = queries @ candidates.T
    barred, right = set(map(tuple, excluded.tolist())), set(map(tuple, relevant.tolist()))
    lists, firsts = [], []
    for q in range(len(queries)):
        order = sorted((c for c in range(len(candidates)) if (q, c) not in barred), key=lambda c: (-scores[q, c], c))
        lists.append((order + [-1] * depth)[:depth])
        firsts.append(next((rank for rank, c in enumerate(order, 1) if (q, c) in right), 0))
    return lists, firsts


def pairs(draw_rows: set[tuple[int, int]]) -> Pairs:
    return np.array(sorted(draw_rows), dtype=np.int64).reshape(-1, 2)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_agrees_with_brute_force_under_ties_and_exclusions(data):
    n_queries, n_candidates = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 9))
    # Small whole numbers: dot products are exact, so that ties are ties.
    entry = st.integers(-2, 2)
    queries, candidates = (
        np.array(data.draw(st.lists(st.lists(entry, min_size=3, max_size=3), min_size=n, max_size=n)), dtype=np.float32)
        for n in (n_queries, n_candidates)
    )
    pair = st.tuples(st.integers(0, n_queries - 1), st.integers(0, n_candidates - 1))
    relevant, excluded = pairs(data.draw(st.sets(pair))), pairs(data.draw(st.sets(pair)))
    depth = data.draw(st.integers(1, 12))
    result = search(queries, candidates, relevant, excluded, depth)
    lists, firsts = brute_force(queries, candidates, relevant, excluded, min(depth, n_candidates))
    assert result.candidates.tolist() == lists
    assert result.first_relevant_rank.tolist() == firsts


def test_equal_scores_are_listed_in_order_of_id():
    candidates = np.array([[0, 1], [1, 0], [1, 0], [1, 0]], dtype=np.float32)
    result = search(np.array([[1, 0]], dtype=np.float32), candidates, np.array([[0, 2]]), NONE, depth=4)
    assert result.candidates.tolist() == [[1, 2, 3, 0]]
    assert result.first_relevant_rank.tolist() == [2]


def test_negative_zero_ties_with_zero():
    result = search(
        np.array([[-1, 0]], dtype=np.float32), np.array([[0, 1], [-0.0, 1]], dtype=np.float32), NONE, NONE, depth=2
    )
    assert result.candidates.tolist() == [[0, 1]]


def test_an_excluded_candidate_is_neither_listed_nor_counted_in_ranks():
    vectors = np.array([[1, 0], [0.9, 0.1], [0, 1]], dtype=np.float32)
    result = search(vectors[:1], vectors, np.array([[0, 1]]), np.array([[0, 0]]), depth=3)
    assert result.candidates.tolist() == [[1, 2, -1]]
    assert np.isnan(result.scores[0, 2])
    assert result.first_relevant_rank.tolist() == [1]


@pytest.fixture
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks, tiles, parts of a tile, and little room for what is put aside."""
    for name, size in {"BLOCK": 72, "_ROOM": 4}.items():
        monkeypatch.setattr(module, name, size)
    for where in (tiles.InMemory, tiles.OnDevice):
        monkeypatch.setattr(where, "size", 72 * 7)
    monkeypatch.setattr(tiles, "_FEW", 2)


def sorted_whole(scores, relevant, excluded, depth):
    """The search as it was: every score a 64-bit key, whose lower half is the candidate's."""
    bits = (torch.from_numpy(scores) + 0.0).view(torch.int32)
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).to(torch.int64)
    keys = (ordered << 32) | (0xFFFFFFFF - torch.arange(scores.shape[1]))
    barred = torch.iinfo(torch.int64).min
    keys[excluded[:, 0], excluded[:, 1]] = barred
    best, found = torch.topk(keys, min(depth, scores.shape[1]), dim=1)
    rows, columns = torch.from_numpy(relevant).T
    best_relevant = torch.full((len(keys),), barred).scatter_reduce(0, rows, keys[rows, columns], "amax")
    first = (1 + (keys > best_relevant[:, None]).sum(dim=1)).masked_fill(best_relevant == barred, 0)
    missing = best == barred
    listed = torch.from_numpy(scores).gather(1, found).masked_fill(missing, torch.nan)
    return found.masked_fill(missing, -1).numpy(), listed.numpy(), first.numpy()


ON_GPU = pytest.mark.gpu


@pytest.fixture(params=["cpu", "on a device", pytest.param("cuda", marks=ON_GPU)])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where scores are made; what a device does runs on the processor, too."""
    if request.param == "on a device":
        monkeypatch.setattr(module, "tiles_on", tiles.OnDevice)
        return "cpu"
    return str(request.param)


@pytest.mark.parametrize("depth", [1, 5, 40, 200])
@pytest.mark.parametrize("different", [3, 1_000_000], ids=["many ties", "few ties"])
def test_lists_and_ranks_are_those_of_sorting_every_score(
    small_portions: None, depth: int, different: int, device: str
):
    rng = np.random.default_rng(depth)
    # Quarters of whole numbers: products are exact, in blocks of any size.
    entries = min(different, 9)
    queries, candidates = (rng.integers(-entries, entries, (n, 6)).astype(np.float32) / 4 for n in (23, 350))
    drawn = rng.random((23, 350))
    drawn[5] = 0.5
    relevant, excluded = np.argwhere(drawn < 0.02), np.argwhere((drawn > 0.9) | (drawn < 0.005))
    expected = sorted_whole(queries @ candidates.T, relevant, excluded, depth)
    found = search(queries, candidates, relevant, excluded, depth, device)
    for ours, theirs in zip((found.candidates, found.scores, found.first_relevant_rank), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("equal", [1, 40, 300], ids=["no equals", "equals about the last listed", "nothing but equals"])
@pytest.mark.parametrize("turned", [1, -1])
def test_a_guess_of_how_good_the_best_are_costs_none_of_them(equal: int, turned: int):
    """In a block of the real size, where every eighth score is looked at; scores are whole numbers, products exact."""
    rng = np.random.default_rng(equal)
    candidates = (rng.permutation(9000) // equal).astype(np.float32)[:, None] if equal < 300 else np.ones((9000, 1))
    queries = np.array([[turned], [3 * turned], [0]], dtype=np.float32)
    nothing = np.empty((0, 2), dtype=np.int64)
    for depth in (1, 50, 900):
        expected = sorted_whole(queries @ candidates.astype(np.float32).T, pairs({(0, 8999)}), nothing, depth)
        found = search(queries, candidates.astype(np.float32), pairs({(0, 8999)}), nothing, depth)
        for ours, theirs in zip((found.candidates, found.scores, found.first_relevant_rank), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("eighth", "best"), [(9.0, [0, 8, 16, 24, 32]), (0.0, [1, 2, 3, 4, 5])])
def test_every_eighth_score_may_mislead(eighth: float, best: list[int]):
    """The scores that are looked at are all of the best, or the worst."""
    candidates = np.where(np.arange(8000) % 8 == 0, eighth, 1.0).astype(np.float32)[:, None]
    found = search(np.ones((2, 1), dtype=np.float32), candidates, NONE, NONE, 5)
    assert found.candidates.tolist() == [best] * 2


def test_systems_in_one_pass_find_what_each_finds_alone(small_portions: None):
    """Each block of candidates is read once, and mapped by each system."""
    rng, read = np.random.default_rng(3), []
    queries, candidates = (rng.integers(-9, 9, (n, 4)).astype(np.float32) for n in (11, 400))
    turns = [np.eye(4, dtype=np.float32), np.ones((4, 2), dtype=np.float32)]
    relevant, excluded = pairs({(q, 7 * q) for q in range(11)}), pairs({(q, 7 * q + 1) for q in range(11)})

    def mapped(block):
        read.append(len(block))
        return (block @ turn for turn in turns)

    found = search_all([queries @ turn for turn in turns], mapped, candidates, relevant, excluded, 5)
    assert read[1:] == [72, 72, 72, 72, 72, 40], "the first are of the relevant pairs"
    for own, turn in zip(found, turns, strict=True):
        alone = search(queries @ turn, candidates @ turn, relevant, excluded, 5)
        np.testing.assert_array_equal(own.candidates, alone.candidates)
        np.testing.assert_array_equal(own.first_relevant_rank, alone.first_relevant_rank)


def test_wide_candidates_are_read_few_at_a_time():
    rng, read = np.random.default_rng(9), []
    queries, candidates = (rng.integers(-3, 4, (n, 7_000)).astype(np.float32) for n in (5, 2_300))
    relevant = pairs({(0, 5), (1, 2_200), (3, 1_024)})

    def mapped(block):
        read.append(block.nbytes)
        return (block,)

    (found,) = search_all([queries], mapped, candidates, relevant, NONE, 50)
    assert max(read) <= 4 * 1_024 * 7_000
    expected = sorted_whole(queries @ candidates.T, relevant, NONE, 50)
    for ours, theirs in zip((found.candidates, found.scores, found.first_relevant_rank), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("order", [1, -1], ids=["ascending", "descending"])
def test_candidates_that_get_better_and_better_are_listed_none_the_less(small_portions: None, order: int):
    candidates = np.arange(200, dtype=np.float32)[::order, None].copy()
    found = search(np.ones((3, 1), dtype=np.float32), candidates, pairs({(1, 60)}), NONE, 5)
    assert found.scores.tolist() == [[199.0, 198.0, 197.0, 196.0, 195.0]] * 3
    assert found.first_relevant_rank.tolist() == [0, 200 - 60 if order == 1 else 61, 0]


def test_equals_are_counted_in_order_of_id_wherever_the_relevant_one_lies(small_portions: None):
    queries, candidates = np.ones((4, 1), dtype=np.float32), np.ones((100, 1), dtype=np.float32)
    relevant = pairs({(0, 0), (1, 30), (1, 99), (2, 99)})
    found = search(queries, candidates, relevant, pairs({(2, 50)}), 3)
    assert found.first_relevant_rank.tolist() == [1, 31, 99, 0]
    assert found.candidates.tolist() == [[0, 1, 2]] * 4


def test_blocks_do_not_change_the_result(small_portions: None, monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    queries, candidates = (unit(rng.standard_normal((n, 8)).astype(np.float32)) for n in (23, 131))
    relevant = np.stack([np.arange(23), np.arange(23)], axis=1)
    excluded = np.stack([np.arange(0, 23, 2), np.arange(1, 24, 2)], axis=1)
    blocks = search(queries, candidates, relevant, excluded, depth=5)
    monkeypatch.setattr(module, "BLOCK", 131)
    whole = search(queries, candidates, relevant, excluded, depth=5)
    np.testing.assert_array_equal(whole.candidates, blocks.candidates)
    np.testing.assert_array_equal(whole.first_relevant_rank, blocks.first_relevant_rank)
    np.testing.assert_allclose(whole.scores, blocks.scores, atol=1e-6)


def test_given_scores_are_ranked_as_those_searched_for(small_portions: None):
    rng = np.random.default_rng(5)
    queries, candidates = unit(rng.standard_normal((7, 4))), unit(rng.standard_normal((9, 4)))
    relevant, excluded = pairs({(q, q) for q in range(7)}), pairs({(q, q + 1) for q in range(7)})
    searched = search(queries, candidates, relevant, excluded, 5)
    given = queries @ candidates.T
    ranked = rank(given, relevant, excluded, 5)
    assert ranked.candidates.tolist() == searched.candidates.tolist()
    assert ranked.first_relevant_rank.tolist() == searched.first_relevant_rank.tolist()
    assert np.allclose(ranked.scores, searched.scores, atol=1e-6)
    np.testing.assert_array_equal(given, queries @ candidates.T, err_msg="scores that are given are left as they are")
