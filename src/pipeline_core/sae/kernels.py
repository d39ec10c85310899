"""Sparse forward and backward passes: work grows with the number of codes, not with the width of the dictionary."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from pipeline_core.sae.grouping import grouped
from pipeline_core.sae.largest import largest
from pipeline_core.sae.sparse import SparseCodes
from pipeline_core.threads import alone


def top_codes(inputs_nd: Tensor, encoder_sd: Tensor, bias_s: Tensor, k: int) -> SparseCodes:
    """Return TopK(ReLU(W x + b), k): k values >= 0 a vector; ids of zero values mean nothing.

    Differentiable in the inputs, the encoder's rows and its bias; only selected features receive a gradient, so that
    the backward pass costs n k d instead of the n S d of the dense product. Under autocast the product in half
    precision chooses the features, and their values are computed anew in the encoder's.
    """
    values, ids = _TopCodes.apply(inputs_nd, encoder_sd, bias_s, k)  # type: ignore[no-untyped-call]
    return _of_k(values, ids)


def combine(codes: SparseCodes, dictionary_sd: Tensor) -> Tensor:
    """Return z D [n, d]; differentiable in the codes' values and the dictionary."""
    combined: Tensor = _Combination.apply(*codes, dictionary_sd)  # type: ignore[no-untyped-call]
    return combined


class _TopCodes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, encoder: Tensor, bias: Tensor, k: int) -> tuple[Tensor, Tensor]:
        values, ids = _largest(inputs, encoder, bias, k)
        if values.dtype != encoder.dtype:
            values = _dots(inputs, encoder, _of_k(values, ids)).view_as(ids) + bias[ids]
        with alone():
            values = values.relu_()
        ctx.save_for_backward(inputs, encoder, values, ids)
        ctx.mark_non_differentiable(ids)
        return values, ids

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        inputs, encoder, values, ids = ctx.saved_tensors
        gradient = torch.where(values > 0, gradients[0], 0.0)
        centred = ctx.needs_input_grad[0]
        to_inputs = embedding_bag(ids, encoder, per_sample_weights=gradient, mode="sum") if centred else None
        of_codes = _of_k(gradient, ids)
        by_feature = _by_feature(of_codes, len(encoder))
        to_encoder = _transposed_product(of_codes, by_feature, inputs)
        starts, order, _ = by_feature
        # Bags of one number: index_add_ would add them in another order each time on a GPU.
        to_bias = embedding_bag(order, of_codes.values[:, None], starts, mode="sum")[:, 0]
        return to_inputs, to_encoder, to_bias, None


class _Combination(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, ids: Tensor, offsets: Tensor, dictionary: Tensor) -> Tensor:
        ctx.save_for_backward(values, ids, offsets, dictionary)
        return embedding_bag(ids, dictionary, offsets[:-1], per_sample_weights=values, mode="sum")

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, Tensor]:
        *parts, dictionary = ctx.saved_tensors
        gradient, codes = gradients[0].contiguous(), SparseCodes(*parts)
        to_dictionary = _transposed_product(codes, _by_feature(codes, len(dictionary)), gradient)
        return _dots(gradient, dictionary, codes), None, None, to_dictionary


def _largest(inputs: Tensor, encoder: Tensor, bias: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k largest scores W x + b of each row and whose they are [n, k]."""
    if inputs.is_cuda or torch.is_autocast_enabled("cpu"):
        values, ids = torch.addmm(bias, inputs, encoder.T).topk(k, dim=1)
        return values, ids
    return largest(inputs, encoder.detach(), bias.detach(), k)


def _of_k(values: Tensor, ids: Tensor) -> SparseCodes:
    """Return k entries a row [n, k] as codes."""
    offsets = torch.arange(0, ids.numel() + 1, ids.shape[1], device=ids.device)
    return SparseCodes(values.flatten(), ids.flatten(), offsets)


def _dots(rows: Tensor, features: Tensor, codes: SparseCodes) -> Tensor:
    """Return each entry's product [m] of its row's vector and its feature's: what torch has for gradients of bags."""
    where = codes.ids, codes.offsets[:-1], codes.owners()
    products: Tensor = torch.ops.aten._embedding_bag_per_sample_weights_backward(rows, features, *where, 0)
    return products


def _by_feature(codes: SparseCodes, n_features: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return where each feature's codes start [S], and by feature the codes' numbers and rows [m], in their order."""
    if not codes.ids.is_cuda:
        ends, order, owners = grouped(codes, n_features)
        return ends[:-1], order, owners
    features, order = codes.ids.sort(stable=True)
    starts = torch.searchsorted(features, torch.arange(n_features, device=features.device))
    return starts, order, codes.owners()[order]


def _transposed_product(codes: SparseCodes, by_feature: tuple[Tensor, Tensor, Tensor], rows: Tensor) -> Tensor:
    # G^T X for sparse G [n, S]: each feature is a bag of the rows that it was selected for, in their order.
    starts, order, owners = by_feature
    return embedding_bag(owners, rows, starts, per_sample_weights=codes.values[order], mode="sum")
