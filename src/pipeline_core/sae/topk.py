"""The TopK sparse autoencoder: z = TopK(ReLU(W (h - b_in) + b), k), h_hat = z D + b_dec, rows of D at unit norm.

Two recipes. "paper" (arXiv 2512.19115, App. D): no input centring and no decoder bias, b_in = b_dec = 0, so that the
mean of the vectors must be written in features. "centred": b_dec starts at the training mean, is subtracted from the
input (b_in = b_dec) and added to the output, so that features describe what differs between vectors.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from pipeline_core.sae.kernels import combine, top_codes

Recipe = Literal["paper", "centred"]


class SparseCodes(NamedTuple):
    """Codes of n vectors: ``values`` [n, k], >= 0, of features ``ids`` [n, k]; the id of a zero value means nothing."""

    values: Tensor
    ids: Tensor


@dataclass(frozen=True)
class TopKSae:
    """Parameters of a trained autoencoder of S features over vectors of width D; all float32.

    Attributes:
        encoder: W [S, D].
        encoder_bias: b [S].
        dictionary: D [S, D], one row a feature.
        decoder_bias: b_dec [D], zero in the paper's recipe.
        k: largest number of positive codes a vector.
        centred: whether b_dec is subtracted from the input, too.
    """

    encoder: Tensor
    encoder_bias: Tensor
    dictionary: Tensor
    decoder_bias: Tensor
    k: int
    centred: bool


def encode(sae: TopKSae, vectors_nd: Tensor) -> SparseCodes:
    """Return the codes of raw vectors [n, D], float32, as they are stored (unnormalised)."""
    inputs = vectors_nd - sae.decoder_bias if sae.centred else vectors_nd
    return SparseCodes(*top_codes(inputs, sae.encoder, sae.encoder_bias, sae.k))


def decode(sae: TopKSae, codes: SparseCodes) -> Tensor:
    """Return the reconstructions h_hat [n, D], decoder bias included."""
    return combine(codes.values, codes.ids, sae.dictionary) + sae.decoder_bias


class TopKModule(nn.Module):
    """The same autoencoder while it learns; its dictionary itself stays at unit norm: no normalised copy goes stale."""

    def __init__(self, mean_d: Tensor, n_features: int, k: int, recipe: Recipe, generator: torch.Generator) -> None:
        """Draw random unit features, tie the encoder to them, and start b_dec at the mean [D] if the recipe centres."""
        super().__init__()
        rows = normalize(torch.randn(n_features, mean_d.shape[0], generator=generator))
        self.encoder = nn.Parameter(rows.clone())
        self.encoder_bias = nn.Parameter(torch.zeros(n_features))
        self.dictionary = nn.Parameter(rows)
        centred = recipe == "centred"
        self.decoder_bias = nn.Parameter(mean_d.clone() if centred else torch.zeros_like(mean_d), requires_grad=centred)
        self.k = k
        self.centred = centred

    def forward(self, vectors_nd: Tensor) -> tuple[SparseCodes, Tensor]:
        """Return codes and reconstructions [n, D] of raw vectors."""
        sae = TopKSae(self.encoder, self.encoder_bias, self.dictionary, self.decoder_bias, self.k, self.centred)
        codes = encode(sae, vectors_nd)
        return codes, decode(sae, codes)

    @torch.no_grad()
    def project_gradient(self) -> None:
        """Leave of the dictionary's gradient only what turns its rows: their length is fixed."""
        assert self.dictionary.grad is not None
        along = (self.dictionary.grad * self.dictionary).sum(1, keepdim=True)
        self.dictionary.grad -= along * self.dictionary

    @torch.no_grad()
    def restore_unit_norm(self) -> None:
        """Bring the dictionary's rows back to unit norm after a step."""
        self.dictionary.copy_(normalize(self.dictionary))

    def freeze(self) -> TopKSae:
        """Return a copy of the parameters as they are now."""
        encoder, bias, dictionary, decoder_bias = (
            p.detach().clone() for p in (self.encoder, self.encoder_bias, self.dictionary, self.decoder_bias)
        )
        return TopKSae(encoder, bias, dictionary, decoder_bias, self.k, self.centred)
