"""JumpReLU: z = ReLU(W (h - b_in) + b) where that is above a threshold of its own a feature; read, not trained here.

Rajamanoharan et al. 2024 (arXiv 2407.14435). ReLU autoencoders are those whose thresholds are zero. Gated ones (arXiv
2404.16014) are the same function, too: a gate shares the encoder's direction, so that it opens above a threshold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline_core.sae.architectures._kind import Architecture, Sae, Shapes

if TYPE_CHECKING:
    from torch import Tensor

    from pipeline_core.sae.sparse import SparseCodes

GATED: Shapes = {
    "W_enc": ("D", "S"),
    "b_gate": ("S",),
    "b_mag": ("S",),
    "r_mag": ("S",),
    "W_dec": ("S", "D"),
    "b_dec": ("D",),
}
"""The tensors of a gated autoencoder by SAELens's names."""


@dataclass(frozen=True)
class JumpReluSae(Sae):
    """A JumpReLU autoencoder of S features over vectors of width D.

    Attributes:
        encoder: W [S, D].
        encoder_bias: b [S].
        dictionary: D [S, D], one row a feature.
        decoder_bias: b_dec [D].
        threshold: [S], what an activation must exceed; where it is negative, zero.
        centred: whether b_dec is subtracted from the input, too.
    """

    architecture: ClassVar[str] = "jumprelu"

    encoder: Tensor
    encoder_bias: Tensor
    dictionary: Tensor
    decoder_bias: Tensor
    threshold: Tensor
    centred: bool

    def encode(self, vectors_nd: Tensor) -> SparseCodes:
        """Return the codes of raw vectors [n, D], as many a vector as exceed their thresholds."""
        import torch

        from pipeline_core.sae.sparse import sparse_codes

        inputs = vectors_nd - self.decoder_bias if self.centred else vectors_nd
        activations = torch.addmm(self.encoder_bias, inputs, self.encoder.T)
        return sparse_codes(torch.where(activations > self.threshold, activations, 0.0))

    def decode(self, codes: SparseCodes) -> Tensor:
        """Return the reconstructions h_hat [n, D], decoder bias included."""
        from pipeline_core.sae.kernels import combine

        return combine(codes, self.dictionary) + self.decoder_bias

    def config(self) -> dict[str, Any]:
        """Return its part of cfg.json."""
        return {"apply_b_dec_to_input": self.centred}

    def tensors(self) -> dict[str, Tensor]:
        """Return W_enc [D, S], b_enc [S], W_dec [S, D], b_dec [D] and threshold [S]."""
        tensors = (self.encoder.T, self.encoder_bias, self.dictionary, self.decoder_bias, self.threshold)
        return dict(zip(JumpRelu.shapes, tensors, strict=True))


class JumpRelu(Architecture):
    """Codes of any number."""

    name = "jumprelu"
    shapes: ClassVar[Shapes] = {
        "W_enc": ("D", "S"),
        "b_enc": ("S",),
        "W_dec": ("S", "D"),
        "b_dec": ("D",),
        "threshold": ("S",),
    }

    def load(self, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> JumpReluSae:
        """Return a trained one."""
        encoder, bias, dictionary, decoder_bias, threshold = (tensors[name] for name in self.shapes)
        centred = bool(config["apply_b_dec_to_input"])
        return JumpReluSae(encoder.T.contiguous(), bias, dictionary, decoder_bias, threshold, centred)


def without_gate(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a gated autoencoder, of the names and shapes ``GATED``, as the JumpReLU one that it equals.

    Its gate W h + b_gate > 0 is, times exp(r_mag) and plus b_mag, a threshold b_mag - exp(r_mag) b_gate on the
    magnitude exp(r_mag) W h + b_mag (arXiv 2404.16014, App. on weight tying).
    """
    scale = tensors["r_mag"].exp()
    magnitude = {
        "W_enc": tensors["W_enc"] * scale,
        "b_enc": tensors["b_mag"],
        "threshold": tensors["b_mag"] - scale * tensors["b_gate"],
    }
    return magnitude | {name: tensors[name] for name in ("W_dec", "b_dec")}


MEMBER = JumpRelu()
