"""Models whose attention is known, because it is put where a test wants it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from pipeline_core.models.generative import GenerativeEmbedder


@contextmanager
def attending_to(embedder: GenerativeEmbedder, position: Callable[[], int]) -> Iterator[None]:
    """Replace the attention weights of all layers and heads: every token attends to one position only."""

    def replace(
        _: nn.Module, __: tuple[Any, ...], output: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, ...]:
        states, weights = output
        known = torch.zeros_like(weights)
        known[..., position()] = 1.0
        return states, known

    handles = [layer.self_attn.register_forward_hook(replace) for layer in embedder._decoder.layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
