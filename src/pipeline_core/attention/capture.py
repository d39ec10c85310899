"""What is kept of attention weights: mass by layer, head, source and role, and each image token's share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from pipeline_core.errors import ModelError
from pipeline_core.models.embedder import AttendingEmbedder
from pipeline_core.models.grids import ImageGrid
from pipeline_core.models.samples import IMAGE, ROLES, TEMPLATE, Roles, SampleInput

Array = npt.NDArray[np.float64]

SOURCES = ("last", "pooled")
"""Whose attention: the last token's, or the mean over all of a sample's tokens."""


ATTENDED = ROLES[: TEMPLATE + 1]
"""The roles that attention is told by: the system's turn is part of the template."""


@dataclass(frozen=True)
class SampleAttention:
    """Attention over one sample.

    Attributes:
        layers: number of each layer, from 1.
        masses: of each layer, shares of the attention [sources, heads, roles]; those of the roles sum to 1. Layers may
            differ in their number of heads.
        image: share of the attention that each image token gets, mean over heads [layers, sources, image tokens].
        grid: how the image tokens lie over the picture; None without a picture or if it cannot be told.
    """

    layers: tuple[int, ...]
    masses: tuple[Array, ...]
    image: Array
    grid: ImageGrid | None


def capture(embedder: AttendingEmbedder, inputs: Sequence[SampleInput]) -> list[SampleAttention]:
    """Run a batch and reduce each layer's weights as they arise: at most one layer's are held.

    Raises:
        DataError: a sample cannot be prepared.
        AttentionError: the model returns no weights.
        ModelError: some weights are not finite.
    """
    batch = embedder.prepare(inputs)
    layers: list[int] = []
    masses: list[list[Array]] = [[] for _ in inputs]
    image: list[list[Array]] = [[] for _ in inputs]

    def visit(layer: int, weights: torch.Tensor) -> None:
        layers.append(layer)
        for row, roles in enumerate(batch.roles):
            n_tokens = len(roles)
            found = source_rows(weights[row, :, :n_tokens, :n_tokens])
            if not np.isfinite(found).all():
                raise ModelError(
                    f"{embedder.facts.name} attends by values that are not finite, "
                    f"for sample {inputs[row].sample_id} in layer {layer}",
                    "float16 overflows in models trained in bfloat16: try model.dtype=float32 or bfloat16",
                )
            masses[row].append(role_masses(found, roles))
            image[row].append(found[..., roles == IMAGE].mean(axis=1))

    embedder.attend(batch, visit)
    return [
        SampleAttention(tuple(layers), tuple(masses[row]), np.stack(image[row]), embedder.image_grid(sample))
        for row, sample in enumerate(batch.samples)
    ]


def source_rows(weights: torch.Tensor) -> Array:
    """Return the attention of each source [sources, heads, tokens], scaled to sum to 1.

    Half precision rounds the weights, and some models let a part of the attention go to no token at all.

    Args:
        weights: one sample's weights in one layer [heads, tokens, tokens], without padding.
    """
    rows = torch.stack([weights[:, -1].double(), weights.mean(dim=1, dtype=torch.float64)]).cpu().numpy()
    scaled: Array = rows / rows.sum(axis=-1, keepdims=True)
    return scaled


def role_masses(rows: Array, roles: Roles) -> Array:
    """Sum attention [sources, heads, tokens] over the tokens of each role of ``ATTENDED``: [sources, heads, roles]."""
    summed: Array = rows @ np.eye(len(ATTENDED))[np.minimum(roles, TEMPLATE)]
    return summed
