"""What a tiny model of the real classes is made of, with random weights and settings of our own, and how it is saved.

A folder holds what a genuine one does: config and weights, tokenizer, template, settings of processor and pictures.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers.processors import TemplateProcessing
from transformers import AutoConfig, AutoModelForImageTextToText

from tests.models import tiny

SIZES = {
    "hidden_size": 24,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 6,
    "initializer_range": 0.2,
}
TEXT = SIZES | {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
VISION = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
FIXED = VISION | {"image_size": 32, "patch_size": 8}
HALVES = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
SQUARE = {"size": {"height": 32, "width": 32}} | HALVES


@dataclass(frozen=True)
class Tiny:
    """What a tiny model is made of.

    Attributes:
        family: the family that is to serve it.
        config: its config, which names tokens where the real one has their ids.
        processor: name of its processor's class and settings.
        images: settings of its pictures.
        words: special tokens that its processor asks the tokenizer for, by attribute.
        template: chat template, or None.
        options: further options of the tokenizer.
        attention: the implementation that the model has.
    """

    family: str
    config: Mapping[str, Any]
    processor: Mapping[str, Any]
    images: Mapping[str, Any]
    words: Mapping[str, str] = field(default_factory=dict)
    template: str | None = tiny.TEMPLATE
    options: Mapping[str, Any] = field(default_factory=dict)
    attention: str = "sdpa"


def save(folder: Path, made: Tiny, kind: Any = AutoModelForImageTextToText) -> Path:
    """Save a tiny model with its processor.

    Args:
        folder: where.
        made: what it is made of.
        kind: the class that makes it of its config.
    """
    torch.manual_seed(0)
    words = tiny.tokenizer(bos_token="<|im_start|>", extra_special_tokens=dict(made.words), **made.options)
    words.add_tokens([*_markers(made.config), "<|vision_start|>", "<|vision_end|>"], special_tokens=True)
    words.chat_template = made.template
    if "model_max_length" in made.options:  # dual encoders end a text, and many pool there
        words.backend_tokenizer.post_processor = TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    config: Any = _numbered(made.config, words)
    config.get("text_config", config).setdefault("vocab_size", len(words))
    made_config = AutoConfig.for_model(**config)
    model = kind.from_config(made_config) if hasattr(kind, "from_config") else kind(made_config)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    (folder / "processor_config.json").write_text(json.dumps(made.processor))
    (folder / "preprocessor_config.json").write_text(json.dumps(made.images))
    return folder


def _markers(config: Mapping[str, Any]) -> list[str]:
    found = [value for name, value in config.items() if _is_marker(name, value)]
    return [*found, *config.get("vocabulary_map", ())]


def _numbered(config: Mapping[str, Any], words: Any) -> dict[str, Any]:
    """Return a config with the ids of the tokens that it names."""
    numbered: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            value = _numbered(value, words)  # noqa: PLW2901
        known = _is_marker(name, value) or name == value
        numbered[name] = words.convert_tokens_to_ids(value) if known else value
    return numbered


def _is_marker(name: str, value: Any) -> bool:
    return isinstance(value, str) and name.endswith(("_id", "_index"))
