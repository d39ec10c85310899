"""A head learns from pairs what is common to both sides, from the pairs alone, and alike each time."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from pipeline_core.activations.vectors import VectorBlocks
from pipeline_core.retrieval.adaptations.trained_head import strangers, train_head, train_mean
from pipeline_core.retrieval.maps import unit
from pipeline_core.retrieval.matched import Matched

N, D = 120, 16


def planted(seed: int) -> np.ndarray:
    """Pictures, then texts [2n, d]: half of the dimensions hold what a pair shares, the others noise."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((N, D // 2))
    return np.concatenate(
        [np.concatenate([shared, rng.standard_normal((N, D // 2))], axis=1) + 20 for _ in range(2)]
    ).astype(np.float32)


def matched_in(vectors: np.ndarray) -> Matched:
    names = [f"{side}{n:03d}" for side in ("i", "t") for n in range(N)]
    labels = pl.DataFrame({"row": range(2 * N), "sample_id": names, "prompt_id": "none"})
    pairs = pl.DataFrame(
        {"image_id": names[:N], "text_id": names[N:], "group": [f"g{n // 2:03d}" for n in range(N)], "split": "train"}
    )
    blocks = VectorBlocks("rep", labels.cast({"row": pl.Int64}), vectors)
    return Matched(blocks, pairs.drop("split"), 0)


@pytest.fixture(scope="module")
def matched() -> Matched:
    return matched_in(planted(0))


def hits(vectors: np.ndarray, mean: np.ndarray, weight: np.ndarray) -> float:
    images, texts = (unit(((side - mean) @ weight).astype(np.float32)) for side in np.split(vectors, 2))
    return float(((texts @ images.T).argmax(axis=1) == np.arange(N)).mean())


def test_what_pairs_share_is_found_in_pairs_never_seen(matched: Matched) -> None:
    unseen, mean = planted(1), train_mean(matched)
    assert hits(unseen, mean, matched.trained("head", train_head)) > 1.4 * hits(unseen, mean, np.eye(D)) > 0.4


def test_it_is_trained_once_and_alike_and_by_its_seed(matched: Matched) -> None:
    first = matched.trained("head", train_head)
    assert matched.trained("head", train_head) is first
    np.testing.assert_array_equal(train_head(matched_in(planted(0))), first)
    assert not np.array_equal(train_head(replace(matched, seed=1)), first)


def test_a_batch_holds_no_group_twice(matched: Matched) -> None:
    assert matched.n_groups == N // 2
    batches = strangers(matched.groups, np.random.default_rng(0))
    for rows in (next(batches) for _ in range(5)):
        assert len(set(matched.groups[rows])) == len(rows) == N // 2
