"""TopK: z = TopK(ReLU(W (h - b_in) + b), k), h_hat = z D + b_dec, rows of D at unit norm.

Not centred (arXiv 2512.19115, App. D): no input centring and no decoder bias, b_in = b_dec = 0, so that the mean of the
vectors must be written in features. Centred: b_dec starts at the training mean, is subtracted from the input
(b_in = b_dec) and added to the output, so that features describe what differs between vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from pipeline_core.sae.architectures._kind import Sae, SaeSettings, Shapes, TrainedArchitecture
from pipeline_core.settings import Count

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from pipeline_core.sae.gradients import Gradients
    from pipeline_core.sae.sparse import SparseCodes


class TopKSettings(SaeSettings):
    """A TopK autoencoder that is trained here."""

    k: Count = Field(32, description="Active features a vector.")
    initialisation: Literal["tied", "released"] = Field(
        "tied",
        description="tied: encoder and dictionary begin alike, and a step only turns features; released: as in the "
        "paper's code, each is drawn by itself, and a step may lengthen features, which are then scaled back.",
    )

    @model_validator(mode="after")
    def _k_fits(self) -> TopKSettings:
        if self.k > self.features:
            raise ValueError(f"k is {self.k}, which must not exceed features, {self.features}")
        return self


@dataclass(frozen=True)
class TopKSae(Sae):
    """A TopK autoencoder of S features over vectors of width D.

    While it learns, its dictionary itself stays at unit norm: no normalised copy goes stale.

    Attributes:
        encoder: W [S, D].
        encoder_bias: b [S].
        dictionary: D [S, D], one row a feature.
        decoder_bias: b_dec [D], zero in the paper's recipe.
        k: largest number of positive codes a vector.
        centred: whether b_dec is subtracted from the input, too.
        turns: while it learns, steps turn the dictionary's rows and do nothing else to them.
    """

    architecture: ClassVar[str] = "topk"

    encoder: Tensor
    encoder_bias: Tensor
    dictionary: Tensor
    decoder_bias: Tensor
    k: int
    centred: bool
    turns: bool = True

    def encode(self, vectors_nd: Tensor) -> SparseCodes:
        """Return the codes of raw vectors [n, D], k a vector, zeros included."""
        from pipeline_core.sae.kernels import top_codes

        inputs = vectors_nd - self.decoder_bias if self.centred else vectors_nd
        return top_codes(inputs, self.encoder, self.encoder_bias, self.k)

    def decode(self, codes: SparseCodes) -> Tensor:
        """Return the reconstructions h_hat [n, D], decoder bias included."""
        from pipeline_core.sae.kernels import combine

        return combine(codes, self.dictionary) + self.decoder_bias

    def gradients(self, vectors_nd: Tensor, penalty: float) -> Gradients | None:
        """Return what a step on a CPU needs: encoder and dictionary learn by sums of few vectors a row."""
        import torch

        from pipeline_core.sae.gradients import linear_gradients

        # What derives from it may decode, or restore its tensors, in another way.
        if type(self) is not TopKSae:
            return None
        with torch.no_grad():
            codes = self.encode(vectors_nd)
        return linear_gradients(self, codes, vectors_nd, penalty)

    def config(self) -> dict[str, Any]:
        """Return its part of cfg.json."""
        return {"k": self.k, "apply_b_dec_to_input": self.centred, "rescale_acts_by_decoder_norm": False}

    def tensors(self) -> dict[str, Tensor]:
        """Return W_enc [D, S], b_enc [S], W_dec [S, D] and b_dec [D]."""
        return {
            "W_enc": self.encoder.T,
            "b_enc": self.encoder_bias,
            "W_dec": self.dictionary,
            "b_dec": self.decoder_bias,
        }

    def before_step(self) -> None:
        """Leave of the dictionary's gradient only what turns its rows, if it is to: their length is fixed."""
        from pipeline_core.sae.rows import turn_only

        if self.turns:
            assert self.dictionary.grad is not None
            turn_only(self.dictionary.grad, self.dictionary.detach())

    def after_step(self) -> None:
        """Bring the dictionary's rows back to unit norm."""
        from pipeline_core.sae.rows import to_unit_norm

        to_unit_norm(self.dictionary.detach())


class TopK(TrainedArchitecture):
    """The k largest activations of a vector are its codes."""

    name = "topk"
    settings = TopKSettings
    shapes: ClassVar[Shapes] = {"W_enc": ("D", "S"), "b_enc": ("S",), "W_dec": ("S", "D"), "b_dec": ("D",)}

    def start(self, mean_d: Tensor, settings: TopKSettings, generator: torch.Generator) -> TopKSae:
        """Draw unit features and the encoder as ``initialisation`` says; b_dec starts at the mean if it is centred.

        Released (package overcomplete): features uniform with the variance 2 / (S + D) of Glorot, at unit norm; encoder
        and bias uniform up to 1 / sqrt(D), as torch begins a linear layer.
        """
        import torch
        from torch.nn.functional import normalize

        shape = (settings.features, mean_d.shape[0])
        if settings.initialisation == "tied":
            rows = normalize(torch.randn(shape, generator=generator))
            encoder, bias = rows.clone(), torch.zeros(settings.features)
        else:
            bound = shape[1] ** -0.5
            encoder, bias = (
                torch.empty(size).uniform_(-bound, bound, generator=generator) for size in (shape, shape[:1])
            )
            # Of unit norm, rows do not tell how far they were drawn.
            rows = normalize(torch.empty(shape).uniform_(-1.0, 1.0, generator=generator))
        decoder_bias = mean_d.clone() if settings.centred else torch.zeros_like(mean_d)
        return TopKSae(
            encoder.requires_grad_(),
            bias.requires_grad_(),
            rows.requires_grad_(),
            decoder_bias.requires_grad_(settings.centred),
            settings.k,
            settings.centred,
            settings.initialisation == "tied",
        )

    def load(self, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> TopKSae:
        """Return a trained one; where SAELens scales codes by the lengths of features, that goes into its tensors."""
        if config.get("rescale_acts_by_decoder_norm", False):
            norms = tensors["W_dec"].norm(dim=-1)
            scaled = {"W_enc": tensors["W_enc"] * norms, "b_enc": tensors["b_enc"] * norms}
            tensors = {**tensors, **scaled, "W_dec": tensors["W_dec"] / norms[:, None]}
        k, n_features = config["k"], len(tensors["W_dec"])
        if type(k) is not int or not 1 <= k <= n_features:
            raise ValueError(f"k = {k!r} is not a number from 1 to the number of features, {n_features}")
        encoder = tensors["W_enc"].T.contiguous()
        centred = bool(config["apply_b_dec_to_input"])
        return TopKSae(encoder, tensors["b_enc"], tensors["W_dec"], tensors["b_dec"], k, centred)

    def limit(self, config: Mapping[str, Any]) -> int:
        """Return k."""
        return int(config["k"])


MEMBER = TopK()
