"""How to add an architecture of sparse autoencoders: ReLU codes, as many a vector as are positive.

An architecture owns its settings, how one starts to learn, how a trained one is read again, and its part of cfg.json;
one that is only read is an `Architecture`, without settings and start.
The autoencoder itself is an `Sae`: tensors, encode, decode. Codes are ragged: a vector may have any number of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline_core.sae.architectures import Sae, SaeSettings, TrainedArchitecture

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from pipeline_core.sae.sparse import SparseCodes


class ReluSettings(SaeSettings):
    """Nothing beside what every autoencoder has; its sparsity comes from the penalty."""


@dataclass(frozen=True)
class ReluSae(Sae):
    """z = ReLU(W h + b), h_hat = z D."""

    architecture: ClassVar[str] = "relu"

    encoder: "Tensor"
    bias: "Tensor"
    dictionary: "Tensor"

    def encode(self, vectors_nd: "Tensor") -> "SparseCodes":
        """Return the positive codes of raw vectors [n, D]."""
        from pipeline_core.sae.sparse import sparse_codes

        return sparse_codes((vectors_nd @ self.encoder.T + self.bias).relu())

    def decode(self, codes: "SparseCodes") -> "Tensor":
        """Return the reconstructions [n, D]."""
        from pipeline_core.sae.kernels import combine

        return combine(codes, self.dictionary)

    def config(self) -> dict[str, Any]:
        """Return its part of cfg.json."""
        return {"apply_b_dec_to_input": False}

    def tensors(self) -> dict[str, "Tensor"]:
        """Return its tensors by SAELens's names."""
        return {"W_enc": self.encoder.T, "b_enc": self.bias, "W_dec": self.dictionary}


class Relu(TrainedArchitecture):
    """Codes of any number."""

    name = "relu"
    settings = ReluSettings
    shapes: ClassVar = {"W_enc": ("D", "S"), "b_enc": ("S",), "W_dec": ("S", "D")}

    def start(self, mean_d: "Tensor", settings: ReluSettings, generator: "torch.Generator") -> ReluSae:
        """Draw random unit features and tie the encoder to them."""
        import torch
        from torch.nn.functional import normalize

        rows = normalize(torch.randn(settings.features, mean_d.shape[0], generator=generator))
        bias = torch.zeros(settings.features)
        return ReluSae(rows.clone().requires_grad_(), bias.requires_grad_(), rows.requires_grad_())

    def load(self, config: Mapping[str, Any], tensors: Mapping[str, "Tensor"]) -> ReluSae:
        """Return a trained one."""
        return ReluSae(tensors["W_enc"].T.contiguous(), tensors["b_enc"], tensors["W_dec"])


MEMBER = Relu()
