"""Poolings and masks against a plain loop in numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_core.models.pooling import pool, token_mask
from pipeline_core.models.representations import MASKS, POOLINGS, Mask, Pooling
from pipeline_core.models.samples import IMAGE, PROMPT, TEMPLATE, TEXT

KEPT = {
    "all": {IMAGE, TEXT, PROMPT, TEMPLATE},
    "no_image": {TEXT, PROMPT, TEMPLATE},
    "no_prompt": {IMAGE, TEXT, TEMPLATE},
    "content": {IMAGE, TEXT},
}

role_lists = st.lists(
    st.lists(st.sampled_from([IMAGE, TEXT, PROMPT, TEMPLATE]), min_size=1, max_size=9), min_size=1, max_size=4
)


def by_hand(states: np.ndarray, roles: list[int], pooling: Pooling, mask: Mask) -> np.ndarray:
    rows = [state for state, role in zip(states, roles, strict=True) if role in KEPT[mask]] or list(states)
    match pooling:
        case "mean":
            return np.sum(np.array(rows, dtype=np.float64), axis=0) / len(rows)
        case "last":
            return rows[-1]
        case "max":
            return np.max(rows, axis=0)
        case "min":
            return np.min(rows, axis=0)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("mask", MASKS)
@settings(max_examples=25, deadline=None)
@given(roles=role_lists, seed=st.integers(0, 100), padding=st.integers(0, 3))
def test_pooling_is_what_a_loop_gives(
    pooling: Pooling, mask: Mask, roles: list[list[int]], seed: int, padding: int
) -> None:
    length = max(map(len, roles)) + padding
    states = torch.randn(len(roles), length, 5, generator=torch.Generator().manual_seed(seed))
    for row, of_sample in enumerate(roles):
        states[row, len(of_sample) :] = torch.nan  # what padding holds must never be read
    kept = token_mask([np.array(r, dtype=np.uint8) for r in roles], mask, length)
    pooled = pool(states, kept, pooling).numpy()
    for row, of_sample in enumerate(roles):
        expected = by_hand(states[row, : len(of_sample)].numpy(), of_sample, pooling, mask)
        np.testing.assert_allclose(pooled[row], expected, rtol=1e-6, atol=1e-7)


def test_mean_is_summed_in_float64() -> None:
    states = torch.tensor([1e8, 1.0, -1e8])[None, :, None]
    mask = torch.ones(1, 3, dtype=torch.bool)
    assert pool(states, mask, "mean").item() == pytest.approx(1 / 3)


def test_a_mask_that_keeps_nothing_keeps_all() -> None:
    picture = np.array([IMAGE, IMAGE], dtype=np.uint8)
    assert token_mask([picture], "no_image", 3).tolist() == [[True, True, False]]
