"""The ways to turn what a model makes of a sample into a vector, and how they are called."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

AttentionKind = Literal["causal", "picture", "prefix", "bidirectional"]
"""What a token could see: earlier tokens, also those of its own picture, also the whole prefix, or everything."""

Pooling = Literal["mean", "last", "max", "min"]
Mask = Literal["all", "no_image", "no_prompt", "content"]

POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
MASKS: tuple[Mask, ...] = get_args(Mask)


@dataclass(frozen=True)
class Representation:
    """One way to turn a sample into a vector: a row of the table ``representations``.

    Attributes:
        rep_id: its name, the model's among it.
        layer: layer of the token states that are pooled; -1 where the model gives one vector a sample.
        norm_position: ``final_norm`` after the final norm, ``raw`` before it, ``model`` where the model decides.
        pooling: how the states are pooled; ``model`` where the model does it.
        mask: which tokens are pooled.
        attention_kind: what a token could see.
        at_analysis_layer: it is of the layer that is analysed, whose states train SAEs.
    """

    rep_id: str
    layer: int
    norm_position: Literal["final_norm", "raw", "model"]
    pooling: Pooling | Literal["model"]
    mask: Mask
    attention_kind: AttentionKind
    at_analysis_layer: bool


def pooled_representations(
    model: str, n_layers: int, layer: int, attention_kind: AttentionKind, own: Pooling = "mean", *, normed: bool = True
) -> tuple[Representation, ...]:
    """Return every layer's own pooling over all tokens, and all poolings and masks of the analysis layer, each once.

    ``normed``: states of the last layer are those after the final norm.
    """
    keys: dict[tuple[int, Pooling, Mask], None] = {(number, own, "all"): None for number in range(n_layers + 1)}
    keys |= {(layer, pooling, mask): None for pooling in POOLINGS for mask in MASKS}
    return tuple(
        Representation(
            f"{model}/L{number}/{pooling}/{mask}",
            number,
            "final_norm" if number == n_layers and normed else "raw",
            pooling,
            mask,
            attention_kind,
            number == layer,
        )
        for number, pooling, mask in keys
    )


def count_representations(n_layers: int, layer: int | None) -> int:
    """Return how many representations a model gives whose decoder has so many layers; 0 layers: it pools by itself."""
    last = n_layers if layer is None else layer
    return len(pooled_representations("", n_layers, last, "causal")) if n_layers else 1


def model_representation(model: str) -> Representation:
    """Return the only representation of a model that gives one vector a sample."""
    return Representation(f"{model}/model", -1, "model", "model", "all", "bidirectional", at_analysis_layer=True)


def chosen_representation(representations: Sequence[Representation], pooling: str, mask: Mask) -> Representation:
    """Return that of a pooling and mask at the analysis layer; the only one where the model pools by itself."""
    at_layer = [rep for rep in representations if rep.at_analysis_layer]
    return next(rep for rep in at_layer if len(at_layer) == 1 or (rep.pooling == pooling and rep.mask == mask))
