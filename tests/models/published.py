"""Tiny models under a published model's own config, template, processor settings and special tokens with their ids."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedTokenizerFast

from tests.models import tiny
from tests.models.tiny_families import SIZES, VISION

PLACE = Path(os.environ.get("RETRIEVAL_LENS_PUBLISHED") or Path(__file__).parents[2] / ".." / "shared" / "published")
"""Where the files of published models are, a folder each."""

_PARTS = ("bos_token", "eos_token", "pad_token")
_COPIED = ("preprocessor_config.json", "processor_config.json", "chat_template.json", "chat_template.jinja")
_PATCHES = {"depth": 2, "num_heads": 2, "intermediate_size": 32}
_ROPE = {"type": "mrope", "mrope_section": [1, 1, 1]}


@dataclass(frozen=True)
class Published:
    """A published model, made small.

    Attributes:
        family: the family that is to serve it.
        config: what its config has smaller sizes for.
        files: folders that its files are in, the first that has one counts.
        attention: the implementation that the model has.
    """

    family: str
    config: Mapping[str, Any]
    files: tuple[str, ...]
    attention: str = "sdpa"


PUBLISHED = {
    "qwen2-vl": Published(
        "qwen2_vl",
        SIZES | {"rope_scaling": _ROPE, "vision_config": {"embed_dim": 16, "hidden_size": 24} | _PATCHES},
        ("qwen2-vl-7b-instruct",),
    ),
    "qwen2.5-vl": Published(
        "qwen2_vl",
        SIZES
        | {"rope_scaling": _ROPE}
        | {"vision_config": {"hidden_size": 16, "out_hidden_size": 24, "fullatt_block_indexes": [1]} | _PATCHES},
        ("qwen2.5-vl-7b-instruct",),
    ),
    "qwen3-vl": Published(
        "qwen3_vl",
        {
            "text_config": SIZES | {"rope_scaling": _ROPE | {"rope_type": "default", "mrope_interleaved": True}},
            "vision_config": {"hidden_size": 16, "out_hidden_size": 24, "deepstack_visual_indexes": [0]} | _PATCHES,
        },
        ("qwen3-vl-4b-instruct",),
    ),
    "qwen3-vl-embedding": Published(
        "qwen3_vl",
        {
            "text_config": SIZES | {"rope_scaling": _ROPE | {"rope_type": "default", "mrope_interleaved": True}},
            "vision_config": {"hidden_size": 16, "out_hidden_size": 24, "deepstack_visual_indexes": [0]} | _PATCHES,
        },
        ("qwen3-vl-embedding-8b",),
    ),
    "llava-1.5": Published("llava", {"text_config": SIZES, "vision_config": VISION}, ("llava-1.5-7b-hf",)),
    "smolvlm": Published("smolvlm", {"text_config": SIZES, "vision_config": VISION}, ("smolvlm-256m-instruct",)),
    "paligemma": Published(
        "paligemma",
        {
            "hidden_size": 24,
            "projection_dim": 24,
            "text_config": SIZES | {"hidden_size": 24, "num_key_value_heads": 1},
            "vision_config": VISION | {"projection_dim": 24, "image_size": 224},
        },
        ("paligemma-3b-pt-224", "_rebuilt", "colpali-paligemma-3b-448"),
    ),
}
"""Published models, by name."""


def read(model: Published, name: str) -> Any:
    """Return a file of a published model."""
    found = next(PLACE / folder / name for folder in model.files if (PLACE / folder / name).exists())
    return json.loads(found.read_text(encoding="utf-8"))


def save(folder: Path, model: Published) -> Path:
    """Save a tiny model as the published one is laid out."""
    torch.manual_seed(0)
    config = _merged(read(model, "config.json"), model.config) | {"dtype": "float32"}
    config.pop("torch_dtype", None)
    made = AutoConfig.for_model(**config)
    words = _tokenizer(model, made.get_text_config().vocab_size)
    AutoModelForImageTextToText.from_config(made).save_pretrained(folder)
    # The layout of the published file, whatever this version of transformers writes.
    (folder / "config.json").write_text(json.dumps(config))
    words.save_pretrained(folder)
    for name in _COPIED:
        for source in (PLACE / place / name for place in model.files):
            if source.exists() and not (folder / name).exists():
                (folder / name).write_bytes(source.read_bytes())
    derived = PLACE / "_rebuilt" / "paligemma-3b-224.preprocessor_config.DERIVED.json"
    if "_rebuilt" in model.files:
        (folder / "preprocessor_config.json").write_bytes(derived.read_bytes())
    return folder


def _merged(whole: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    nested = {name: _merged(whole[name], part) for name, part in parts.items() if isinstance(whole.get(name), Mapping)}
    return {**whole, **parts, **nested}


def _tokenizer(model: Published, size: int) -> PreTrainedTokenizerFast:
    """Return a tokenizer of a few words that has the published special tokens at their own ids."""
    settings = read(model, "tokenizer_config.json")
    special = {int(n): token for n, token in settings["added_tokens_decoder"].items()}
    core = json.loads(tiny.tokenizer().backend_tokenizer.to_str())["model"]
    taken = {token["content"] for token in special.values()}
    own = [token for token in core["vocab"] if token not in taken]
    free = (number for number in range(size) if number not in special)
    vocabulary = {token: number for number, token in zip(free, own, strict=False)}
    vocabulary |= {f"unused {number}": number for number in free}
    vocabulary |= {token["content"]: number for number, token in special.items()}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[tuple(pair) for pair in core["merges"]]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    parts = {name: _content(settings[name]) for name in _PARTS if settings.get(name)}
    named = settings.get("extra_special_tokens") or {}
    words = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        padding_side=settings.get("padding_side", "right"),
        extra_special_tokens=named if isinstance(named, dict) else {},
        **parts,
    )
    for flag in (True, False):
        words.add_tokens([t["content"] for t in special.values() if t["special"] is flag], special_tokens=flag)
    words.chat_template = settings.get("chat_template")
    return words


def _content(token: Any) -> str:
    return str(token["content"] if isinstance(token, Mapping) else token)
