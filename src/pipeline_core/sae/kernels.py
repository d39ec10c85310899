"""Sparse forward and backward passes: work grows with the number of codes, not with the width of the dictionary."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from pipeline_core.sae.sparse import SparseCodes


def top_codes(inputs_nd: Tensor, encoder_sd: Tensor, bias_s: Tensor, k: int) -> SparseCodes:
    """Return TopK(ReLU(W x + b), k): k values >= 0 a vector; ids of zero values mean nothing.

    Differentiable in the inputs, the encoder's rows and its bias; only selected features receive a gradient, so that
    the backward pass costs n k d instead of the n S d of the dense product.
    """
    values, ids = _TopCodes.apply(inputs_nd, encoder_sd, bias_s, k)  # type: ignore[no-untyped-call]
    return SparseCodes(values.flatten(), ids.flatten(), torch.arange(0, ids.numel() + 1, k))


def combine(codes: SparseCodes, dictionary_sd: Tensor) -> Tensor:
    """Return z D [n, d]; differentiable in the codes' values and the dictionary."""
    return embedding_bag(codes.ids, dictionary_sd, codes.offsets[:-1], per_sample_weights=codes.values, mode="sum")


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
        to_inputs = _product(gradient, ids, encoder) if ctx.needs_input_grad[0] else None
        to_encoder = _transposed_product(gradient, ids, inputs, encoder.shape[0])
        to_bias = torch.zeros_like(encoder[:, 0]).index_add_(0, ids.flatten(), gradient.flatten())
        return to_inputs, to_encoder, to_bias, None


def _product(values: Tensor, ids: Tensor, rows: Tensor) -> Tensor:
    return embedding_bag(ids, rows, per_sample_weights=values, mode="sum")


def _transposed_product(values: Tensor, ids: Tensor, rows: Tensor, n_features: int) -> Tensor:
    # G^T X for sparse G [n, S]: each feature is a bag of the rows that it was selected for.
    features, order = ids.flatten().sort(stable=True)
    starts = torch.searchsorted(features, torch.arange(n_features))
    return embedding_bag(order // ids.shape[1], rows, starts, per_sample_weights=values.flatten()[order], mode="sum")
