"""Jump, z = h W + b where that is above a threshold: an architecture as another distribution would add it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from pipeline_core.sae.architectures import Sae, SaeSettings, Shapes, TrainedArchitecture

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from torch import Tensor

    from pipeline_core.sae.sparse import SparseCodes


class JumpSettings(SaeSettings):
    """What it needs beyond the settings of every autoencoder."""

    threshold: float = Field(0.5, ge=0.0, description="Activation below which a feature is silent.")


@dataclass(frozen=True)
class JumpSae(Sae):
    """Encoder [D, S] and bias, dictionary and bias, and a threshold [S] that is given, not learnt."""

    architecture: ClassVar[str] = "jump"

    encoder: Tensor
    encoder_bias: Tensor
    dictionary: Tensor
    decoder_bias: Tensor
    threshold: Tensor

    def encode(self, vectors_nd: Tensor) -> SparseCodes:
        """Return as many codes a vector as are above their thresholds."""
        import torch

        from pipeline_core.sae.sparse import sparse_codes

        activations = vectors_nd @ self.encoder + self.encoder_bias
        return sparse_codes(torch.where(activations > self.threshold, activations, 0.0))

    def decode(self, codes: SparseCodes) -> Tensor:
        """Return the reconstructions."""
        from pipeline_core.sae.kernels import combine

        return combine(codes, self.dictionary) + self.decoder_bias

    def config(self) -> dict[str, Any]:
        """Nothing beside the tensors."""
        return {}

    def tensors(self) -> dict[str, Tensor]:
        """Return its tensors, as SAELens calls those of one with thresholds."""
        return dict(zip(Jump.shapes, self.state().values(), strict=True))


class Jump(TrainedArchitecture):
    """Codes of any number."""

    name = "jump"
    settings = JumpSettings
    shapes: ClassVar[Shapes] = {
        "W_enc": ("D", "S"),
        "b_enc": ("S",),
        "W_dec": ("S", "D"),
        "b_dec": ("D",),
        "threshold": ("S",),
    }

    def start(self, mean_d: Tensor, settings: JumpSettings, generator: torch.Generator) -> JumpSae:
        """Draw random features and start the decoder's bias at the mean."""
        import torch

        rows = torch.randn(settings.features, len(mean_d), generator=generator) / len(mean_d) ** 0.5
        bias, threshold = torch.zeros(settings.features), torch.full((settings.features,), settings.threshold)
        learned = (rows.T.clone(), bias, rows, mean_d.clone())
        return JumpSae(*(tensor.requires_grad_() for tensor in learned), threshold)

    def load(self, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> JumpSae:
        """Return a trained one."""
        return JumpSae(*tensors.values())


MEMBER = Jump()
