"""Gradients of an autoencoder's loss on a CPU, from what one pass over the features that each row uses gives."""

from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline_core.compiled import compiled
from pipeline_core.sae.grouping import grouped
from pipeline_core.sae.reconstruction import compare
from pipeline_core.sae.shares import by_shares
from pipeline_core.sae.sparse import SparseCodes
from pipeline_core.sae.updates import RowGradient

Numbers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


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


class Linear(Protocol):
    """An autoencoder whose positive codes are scores W (h - b_in) + b, whichever of them it keeps."""

    @property
    def encoder(self) -> Tensor:
        """W [S, D]."""

    @property
    def encoder_bias(self) -> Tensor:
        """What is added to its scores, b [S]."""

    @property
    def dictionary(self) -> Tensor:
        """Features [S, D], which stay at unit norm."""

    @property
    def decoder_bias(self) -> Tensor:
        """What is added to a reconstruction [D]."""

    @property
    def centred(self) -> bool:
        """Whether b_in is the decoder's bias, which learns then; else it is zero."""

    @property
    def turns(self) -> bool:
        """Whether steps turn features and do nothing else to them."""


@torch.no_grad()
def linear_gradients(sae: Linear, codes: SparseCodes, vectors_nd: Tensor, penalty: float) -> Gradients:
    """Return the gradients of squared error / (n D) + penalty * mean of all n S codes.

    Args:
        sae: while it learns.
        codes: of the vectors.
        vectors_nd: float32, C-contiguous.
        penalty: as said.
    """
    error, differences, products = compare(codes, sae.dictionary, sae.decoder_bias, vectors_nd)
    twice, n_codes = 2 / vectors_nd.numel(), len(vectors_nd) * len(sae.dictionary)
    shared, of_encoder, of_dictionary, to_bias = weighed(codes, products, len(sae.dictionary), twice, penalty / n_codes)
    sae.encoder_bias.grad, inputs = to_bias, vectors_nd
    if sae.centred:
        # It is subtracted from what is encoded, too.
        sae.decoder_bias.grad = twice * differences.sum(dim=0) - to_bias @ sae.encoder
        inputs = vectors_nd - sae.decoder_bias
    of_rows = (
        RowGradient(sae.encoder, *shared, of_encoder, inputs),
        RowGradient(sae.dictionary, *shared, of_dictionary, differences, unit=True, turns=sae.turns),
    )
    return Gradients(codes, vectors_nd.new_tensor(error), of_rows)


def weighed(
    codes: SparseCodes, products: Tensor, n_features: int, twice: float, penalty: float
) -> tuple[tuple[Tensor, Tensor], Tensor, Tensor, Tensor]:
    """Return codes by feature, and what each counts in gradients.

    Args:
        codes: m in all.
        products: half of the error's gradient in each [m].
        n_features: S.
        twice: what ``products`` are multiplied by.
        penalty: the gradient that each positive code has besides.

    Returns:
        Where each feature's codes start [S + 1] and the rows that they are of [m]; what each counts in its encoder's
        row, and in its feature [m]; and the gradient in encoders' biases [S].
    """
    starts, order, owners = grouped(codes, n_features)
    to_bias = torch.empty(n_features)
    of_encoder, of_dictionary = torch.empty_like(products), torch.empty_like(products)
    given = (order, codes.values, products, of_encoder, of_dictionary)
    weights = _Weights(np.float32(twice), np.float32(penalty))
    by_shares(partial(_weigh, weights, *(one.numpy() for one in given)), starts[:-1], starts[1:], to_bias)
    return (starts, owners), of_encoder, of_dictionary, to_bias


class _Weights(NamedTuple):
    """What the gradients of codes' error and of their own size are multiplied by."""

    error: np.float32
    penalty: np.float32


@compiled
def _weigh(
    weights: _Weights,
    order: Numbers,
    values: Floats,
    products: Floats,
    of_encoder: Floats,
    of_dictionary: Floats,
    starts: Numbers,
    ends: Numbers,
    to_bias: Floats,
) -> None:
    """Write by what each feature's codes have their rows count in both gradients, and its gradient in the bias."""
    for feature in range(len(starts)):
        whole = np.float32(0)
        for place in range(starts[feature], ends[feature]):
            i = order[place]
            of_dictionary[place] = weights.error * values[i]
            # What the ReLU cut off passes no gradient on.
            own = weights.error * products[i] + weights.penalty if values[i] > 0 else np.float32(0)
            of_encoder[place] = own
            whole += own
        to_bias[feature] = whole
