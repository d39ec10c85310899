"""Sparse forward and backward passes of TopK codes: work grows with k, not with the width of the dictionary."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag


def top_codes(inputs_nd: Tensor, encoder_sd: Tensor, bias_s: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return TopK(ReLU(W x + b), k) as values [n, k], >= 0, and feature ids [n, k]; ids of zero values mean nothing.

    Differentiable in the inputs, the encoder's rows and its bias; only selected features receive a gradient, so that
    the backward pass costs n k d instead of the n S d of the dense product.
    """
    values, ids = _TopCodes.apply(inputs_nd, encoder_sd, bias_s, k)  # type: ignore[no-untyped-call]
    return values, ids


def combine(values_nk: Tensor, ids_nk: Tensor, dictionary_sd: Tensor) -> Tensor:
    """Return z D [n, d] for codes given as values and ids; differentiable in values and dictionary."""
    return embedding_bag(ids_nk, dictionary_sd, per_sample_weights=values_nk, mode="sum")


class _TopCodes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, encoder: Tensor, bias: Tensor, k: int) -> tuple[Tensor, Tensor]:
        values, ids = torch.addmm(bias, inputs, encoder.T).topk(k, dim=1)
        values = values.relu_()
        ctx.save_for_backward(inputs, encoder, values, ids)
        ctx.mark_non_differentiable(ids)
        return values, ids

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        inputs, encoder, values, ids = ctx.saved_tensors
        gradient = torch.where(values > 0, gradients[0], 0.0)
        to_inputs = combine(gradient, ids, encoder) if ctx.needs_input_grad[0] else None
        to_encoder = _transposed_product(gradient, ids, inputs, encoder.shape[0])
        to_bias = torch.zeros_like(encoder[:, 0]).index_add_(0, ids.flatten(), gradient.flatten())
        return to_inputs, to_encoder, to_bias, None


def _transposed_product(values: Tensor, ids: Tensor, rows: Tensor, n_features: int) -> Tensor:
    # G^T X for sparse G [n, S]: each feature is a bag of the rows that it was selected for.
    features, order = ids.flatten().sort(stable=True)
    starts = torch.searchsorted(features, torch.arange(n_features))
    return embedding_bag(order // ids.shape[1], rows, starts, per_sample_weights=values.flatten()[order], mode="sum")
