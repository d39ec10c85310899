"""The representations of a model: which layers, poolings and masks the hooked pass stores, and how they are called."""

from dataclasses import dataclass

import polars as pl

from pipeline_core.activations.pooling import MASKS, POOLINGS, Mask, Pooling
from pipeline_core.config import ExtractionConfig
from pipeline_core.errors import ConfigError

_DUAL_LAYER = -1


@dataclass(frozen=True)
class Representation:
    """One way to turn the token states of a sample into a vector."""

    rep_id: str
    layer: int
    pooling: Pooling
    mask: Mask


def analysis_layer(config: ExtractionConfig, model: str, n_layers: int) -> int:
    """Return the layer whose tokens train SAEs: the configured one, or the last.

    Raises:
        ConfigError: the model has no such layer.
    """
    layer = n_layers if config.layer is None else config.layer
    if layer > n_layers:
        raise ConfigError(
            f"extraction.layer is {layer}, which {model} does not have", f"choose 0 to {n_layers}, or null for the last"
        )
    return layer


def generative_representations(model: str, n_layers: int, layer: int) -> tuple[Representation, ...]:
    """Return every layer's mean over all tokens, and all poolings and masks of the analysis layer, each once."""
    keys: dict[tuple[int, Pooling, Mask], None] = {(number, "mean", "all"): None for number in range(n_layers + 1)}
    keys |= {(layer, pooling, mask): None for pooling in POOLINGS for mask in MASKS}
    return tuple(
        Representation(f"{model}/L{number}/{pooling}/{mask}", number, pooling, mask) for number, pooling, mask in keys
    )


def generative_table(
    representations: tuple[Representation, ...], model: str, n_layers: int, layer: int, attention_kind: str
) -> pl.DataFrame:
    """Return the table ``representations`` of a generative model whose analysis layer is ``layer``."""
    return pl.DataFrame(
        [
            {
                "rep_id": rep.rep_id,
                "model": model,
                "layer": rep.layer,
                "norm_position": "final_norm" if rep.layer == n_layers else "raw",
                "pooling": rep.pooling,
                "mask": rep.mask,
                "attention_kind": attention_kind,
                "at_analysis_layer": rep.layer == layer,
            }
            for rep in representations
        ]
    )


def contrastive_rep_id(model: str) -> str:
    """Return the id of a dual encoder's only representation."""
    return f"{model}/model"


def contrastive_table(model: str) -> pl.DataFrame:
    """Return the table ``representations`` of a dual encoder: its projected embedding."""
    return pl.DataFrame(
        [
            {
                "rep_id": contrastive_rep_id(model),
                "model": model,
                "layer": _DUAL_LAYER,
                "norm_position": "model",
                "pooling": "model",
                "mask": "all",
                "attention_kind": "bidirectional",
                "at_analysis_layer": True,
            }
        ]
    )
