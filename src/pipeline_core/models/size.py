"""How large a model is: told by its config, and by the headers of its weights if they are here; nothing is loaded."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline_core.errors import ModelError
from pipeline_core.model_facts import ModelFacts
from pipeline_core.models.checkpoint import CONFIG, broken, read_json, weight_files
from pipeline_core.tensor_files import open_tensors

_MOST = 1 << 40  # a config's numbers are sizes; what is more is none
_UNTOLD_PICTURE = 256  # tokens of a picture, where a config does not tell


@dataclass(frozen=True)
class ModelSize:
    """What estimates need of a model.

    Attributes:
        numbers: all its weights.
        counted: they were counted in the files' headers; otherwise the config was reckoned with.
        width: of a vector that it gives.
        n_layers: decoder layers; 0 where it gives one vector a sample.
        inner: width inside a layer.
        picture_tokens: tokens of a picture; of one whose pictures keep their shape, of a middling one.
        pixels_a_token: pixels of a picture that make a token, where pictures keep their shape.
    """

    numbers: int
    counted: bool
    width: int
    n_layers: int
    inner: int
    picture_tokens: int
    pixels_a_token: int | None = None

    def tokens_of_picture(self, width: int, height: int) -> float:
        """Return the tokens of a picture of so many pixels."""
        return width * height / self.pixels_a_token if self.pixels_a_token else float(self.picture_tokens)


def model_size(facts: ModelFacts, folder: Path) -> ModelSize:
    """Find out how large a model is.

    Args:
        facts: which model.
        folder: its config, and its weights if they are here.

    Raises:
        ModelError: the config cannot be read, has parts that are none, or tells no widths.
    """
    config = read_json(facts.name, folder / CONFIG)
    text, vision = (_part(facts, config, name) for name in ("text_config", "vision_config"))
    text = text or config
    width, layers = _first(text, "hidden_size", "n_embd", "d_model"), _first(text, "num_hidden_layers", "n_layer")
    if not width or not layers:
        raise ModelError(f"the config of {facts.name} tells no widths", "see what the model's page says of its size")
    inner = _first(text, "intermediate_size", "ffn_dim") or 4 * width
    counted = _counted(facts, folder)
    given = width if facts.has_tokens else _first(config, "projection_dim") or _first(text, "projection_size") or width
    return ModelSize(
        counted or _reckoned(text, width, layers, inner) + _reckoned_tower(vision),
        counted is not None,
        given,
        layers if facts.has_tokens else 0,
        inner,
        _picture_tokens(config, vision),
    )


def _part(facts: ModelFacts, config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a part of a config; an empty one where there is none."""
    part = config.get(name)
    if not isinstance(part, Mapping | None):
        raise broken(facts.name, f"{name} in {CONFIG} is no JSON object")
    return part or {}


def _counted(facts: ModelFacts, folder: Path) -> int | None:
    try:
        files = weight_files(facts.name, folder)
        return sum(map(_numbers, files)) if all(file.suffix == ".safetensors" for file in files) else None
    except (ModelError, OSError, ValueError):
        return None


def _numbers(file: Path) -> int:
    with open_tensors(file) as opened:
        return sum(math.prod(opened.get_slice(key).get_shape()) for key in opened.keys())  # noqa: SIM118


def _reckoned(text: Mapping[str, Any], width: int, layers: int, inner: int) -> int:
    """Return the weights of a language model with gated layers: attention, feed-forward, experts, words."""
    heads = _first(text, "num_attention_heads", "n_head") or 1
    shared = (_first(text, "num_key_value_heads") or heads) / heads
    head = (_first(text, "head_dim") or width / heads) * heads
    experts = _first(text, "num_experts", "num_local_experts")
    forward = 3 * width * (experts * (_first(text, "moe_intermediate_size") or inner) if experts else inner)
    words = _first(text, "vocab_size") * width * (1 if text.get("tie_word_embeddings", False) else 2)
    return round(layers * (2 * width * head * (1 + shared) + forward) + words)


def _reckoned_tower(vision: Mapping[str, Any]) -> int:
    width, layers = _first(vision, "hidden_size", "embed_dim"), _first(vision, "num_hidden_layers", "depth")
    return layers * (4 * width**2 + 2 * width * (_first(vision, "intermediate_size") or 4 * width))


def _picture_tokens(config: Mapping[str, Any], vision: Mapping[str, Any]) -> int:
    told = _first(config, "image_seq_length", "image_seq_len", "mm_tokens_per_image")
    side, patch = _first(vision, "image_size"), _first(vision, "patch_size")
    merged = _first(config, "scale_factor") or _first(vision, "spatial_merge_size") or 1
    return told or ((side // (patch * merged)) ** 2 if side and patch else _UNTOLD_PICTURE)


def _first(config: Mapping[str, Any], *names: str) -> int:
    """Return the first of some fields that is a size; 0 where none is."""
    told = (config.get(name) for name in names)
    return next((size for size in told if type(size) is int and 0 < size < _MOST), 0)
