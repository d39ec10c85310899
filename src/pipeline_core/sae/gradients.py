"""Gradients of a TopK autoencoder's loss on a CPU, from what one pass over the features that each row uses gives."""

from typing import NamedTuple

import torch
from torch import Tensor

from pipeline_core.sae.architectures.topk import TopKSae
from pipeline_core.sae.grouping import grouped
from pipeline_core.sae.reconstruction import compare
from pipeline_core.sae.sparse import SparseCodes
from pipeline_core.sae.updates import RowGradient


class Gradients(NamedTuple):
    """What a step needs, when gradients in rows are not written.

    Attributes:
        codes: of the vectors.
        squared_error: of what is rebuilt of them, a scalar: the sum over all entries.
        of_rows: gradients in matrices that learn; those in other tensors that learn are their ``grad``.
    """

    codes: SparseCodes
    squared_error: Tensor
    of_rows: tuple[RowGradient, ...]


@torch.no_grad()
def topk_gradients(sae: TopKSae, vectors_nd: Tensor, penalty: float) -> Gradients:
    """Return the gradients of squared error / (n D) + penalty * mean of all n S codes."""
    codes = sae.encode(vectors_nd)
    error, differences, products = compare(codes, sae.dictionary, sae.decoder_bias, vectors_nd)
    features, k = len(sae.dictionary), sae.k
    twice, of_code = 2 / vectors_nd.numel(), penalty / (len(vectors_nd) * features)
    # What the ReLU cut off passes no gradient on.
    to_scores = torch.where(codes.values > 0, twice * products + of_code, 0.0)
    starts, order = grouped(codes.ids, features)
    owners = order // k
    to_bias = torch.zeros(features).index_add_(0, codes.ids, to_scores)
    sae.encoder_bias.grad, inputs = to_bias, vectors_nd
    if sae.centred:
        # It is subtracted from what is encoded, too.
        sae.decoder_bias.grad = twice * differences.sum(dim=0) - to_bias @ sae.encoder
        inputs = vectors_nd - sae.decoder_bias
    of_rows = (
        RowGradient(sae.encoder, starts, owners, to_scores[order], inputs),
        RowGradient(
            sae.dictionary, starts, owners, twice * codes.values[order], differences, unit=True, turns=sae.turns
        ),
    )
    return Gradients(codes, vectors_nd.new_tensor(error), of_rows)
