"""Tiny models under a published model's own config, template, processor settings and special tokens with their ids."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedTokenizerFast
from transformers.tokenization_utils_base import VERY_LARGE_INTEGER

from tests.models import tiny
from tests.models.tiny_families import HALVES, SIZES, VISION
from tests.models.tiny_generative import GENERATIVE

PLACE = Path(os.environ.get("RETRIEVAL_LENS_PUBLISHED") or Path(__file__).parents[2] / ".." / "shared" / "published")
"""Where the files of published models are, a folder each."""

_PARTS = ("bos_token", "eos_token", "pad_token", "unk_token", "sep_token")
_COPIED = ("preprocessor_config.json", "processor_config.json", "chat_template.json", "chat_template.jinja")
_PATCHES = {"depth": 2, "num_heads": 2, "intermediate_size": 32}
_ROPE = {"type": "mrope", "mrope_section": [1, 1, 1]}
_QWEN2_5 = (
    SIZES
    | {"rope_scaling": _ROPE}
    | {"vision_config": {"hidden_size": 16, "out_hidden_size": 24, "fullatt_block_indexes": [1]} | _PATCHES}
)
_QWEN3 = {
    "text_config": SIZES | {"rope_scaling": _ROPE | {"rope_type": "default", "mrope_interleaved": True}},
    "vision_config": {"hidden_size": 16, "out_hidden_size": 24, "deepstack_visual_indexes": [0]} | _PATCHES,
}
_PALIGEMMA = {
    "hidden_size": 24,
    "projection_dim": 24,
    "text_config": SIZES | {"hidden_size": 24, "num_key_value_heads": 1},
}
_DUAL = {"projection_dim": 12, "text_config": VISION, "vision_config": VISION}


@dataclass(frozen=True)
class Published:
    """A published model, made small.

    Attributes:
        family: the family that is to serve it.
        config: what its config has smaller sizes for.
        files: folders that its files are in, or single files; the first that has one counts.
        attention: the implementation that the model has.
        own: files of our making, where none is published.
        words: special tokens that its processor asks the tokenizer for, where no file tells.
        ids: special tokens by their ids, where no file tells.
        ends: how the tokenizer begins and ends a text.
    """

    family: str
    config: Mapping[str, Any]
    files: tuple[str, ...]
    attention: str = "sdpa"
    own: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    ids: Mapping[str, int] = field(default_factory=dict)
    ends: str | None = None


PUBLISHED = {
    "qwen2-vl": Published(
        "qwen2_vl",
        SIZES | {"rope_scaling": _ROPE, "vision_config": {"embed_dim": 16, "hidden_size": 24} | _PATCHES},
        ("qwen2-vl-7b-instruct",),
    ),
    "qwen2-vl-awq": Published(
        "qwen2_vl",
        SIZES
        | {"rope_scaling": _ROPE, "vision_config": {"embed_dim": 16, "hidden_size": 24} | _PATCHES}
        | {"quantization_config": None},
        ("qwen2-vl-2b-instruct-awq",),
    ),
    "qwen2.5-vl": Published("qwen2_vl", _QWEN2_5, ("qwen2.5-vl-7b-instruct",)),
    # Words that are read and written share weights, and its tokenizer has a template of its own, for words alone.
    "qwen2.5-vl-3b": Published("qwen2_vl", _QWEN2_5, ("qwen2.5-vl-3b-instruct",)),
    "qwen3-vl": Published("qwen3_vl", _QWEN3, ("qwen3-vl-4b-instruct",)),
    "qwen3-vl-v5": Published(
        "qwen3_vl",
        _QWEN3,
        ("qwen3-vl-v5-layout", "qwen3-vl-4b-instruct/config.json", "qwen3-vl-4b-instruct/tokenizer_config.json"),
    ),
    "qwen3-vl-embedding": Published("qwen3_vl", _QWEN3, ("qwen3-vl-embedding-8b",)),
    "llava-1.5": Published("llava", {"text_config": SIZES, "vision_config": VISION}, ("llava-1.5-7b-hf",)),
    "smolvlm": Published("smolvlm", {"text_config": SIZES, "vision_config": VISION}, ("smolvlm-256m-instruct",)),
    "granite-docling": Published(
        "smolvlm", {"text_config": SIZES, "vision_config": VISION}, ("granite-docling-258m-idefics3",)
    ),
    "gemma-3": Published(
        "gemma3",
        {
            "text_config": SIZES | {"query_pre_attn_scalar": 6},
            # As many patches as tokens: of the genuine size they are sixteen times as many.
            "vision_config": VISION | {"patch_size": 56},
        },
        ("gemma-3-4b-it",),
        ids={"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3, "<start_of_turn>": 105, "<end_of_turn>": 106}
        | {"<start_of_image>": 255999, "<end_of_image>": 256000, "<image_soft_token>": 262144},
    ),
    # What is published is the layout of its makers' own code: special tokens and norms, which transformers' has too.
    "internvl3": Published(
        "internvl",
        {},
        ("internvl3/tokenizer_config.json",),
        own={
            "config.json": {
                "model_type": "internvl",
                "vision_config": VISION | {"image_size": [448, 448], "patch_size": [14, 14]},
                "text_config": SIZES | {"model_type": "qwen2", "vocab_size": 151674},
                "image_token_id": 151667,
                "image_seq_length": 256,
            },
            "processor_config.json": {"processor_class": "InternVLProcessor", "image_seq_length": 256},
            "preprocessor_config.json": {
                "image_processor_type": "GotOcr2ImageProcessor",
                "size": {"height": 448, "width": 448},
                "max_patches": 1,  # it would take twelve, of 256 tokens each
                "image_mean": [0.485, 0.456, 0.406],
                "image_std": [0.229, 0.224, 0.225],
            },
            "chat_template.json": {"chat_template": tiny.TEMPLATE.replace("<image>", "<IMG_CONTEXT>")},
        },
        words={"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>"}
        | {"video_token": "<|video_pad|>"},
    ),
    "paligemma": Published(
        "paligemma",
        _PALIGEMMA | {"vision_config": VISION | {"projection_dim": 24, "image_size": 224}},
        ("paligemma-3b-pt-224", "_rebuilt", "colpali-paligemma-3b-448"),
    ),
    "paligemma-448": Published(
        "paligemma",
        _PALIGEMMA | {"vision_config": VISION | {"projection_dim": 24, "image_size": 448}},
        ("colpali-paligemma-3b-448", "paligemma-3b-pt-224/config.json"),
    ),
}
"""Published generative models, by name."""

PUBLISHED_DUAL = {
    "clip": Published("clip", _DUAL, ("clip-vit-base-patch32",), ends="<|startoftext|> $A <|endoftext|>"),
    "siglip": Published(
        "siglip",
        _DUAL,
        ("siglip-so400m-patch14-384", "siglip-tokenizer"),
        own={
            "preprocessor_config.json": {"image_processor_type": "SiglipImageProcessor"}
            | {"size": {"height": 384, "width": 384}}
            | HALVES
        },
        ends="$A </s>",
    ),
}
"""Published dual encoders, by name."""

CHAMELEON = Published(
    "chameleon",
    {},
    (),
    own={
        "config.json": SIZES
        | {"model_type": "chameleon", "vocab_size": 8720, "vq_config": GENERATIVE["chameleon"].config["vq_config"]}
        | {"vocabulary_map": {"<image>": 8711, "IMGIMGAZ": 4, "IMGIMGBZ": 5, "IMGIMGCZ": 6, "IMGIMGDZ": 7}},
        # The number of tokens is that of transformers' processor.
        "processor_config.json": {"processor_class": "ChameleonProcessor"},
        "preprocessor_config.json": {"image_processor_type": "ChameleonImageProcessor"},
        "tokenizer_config.json": {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
        | {"sep_token": "<reserved08706>"},
    },
    words={"boi_token": "<racm3:break>", "eoi_token": "<eoss>", "image_token": "<image>"},
    ids={"<s>": 0, "<pad>": 1, "</s>": 2, "<eoss>": 8196, "<racm3:break>": 8197, "<reserved08706>": 8710}
    | {"<image>": 8711},
)
"""Chameleon's ids: none of its files is here, but they are known."""


def told(model: Published, name: str) -> dict[str, Any]:
    """Return what a published model's files of a name say, or the file of our making."""
    found: dict[str, Any] = dict(model.own.get(name, {}))
    for source in reversed(_sources(model, name)):
        found |= json.loads(source.read_text(encoding="utf-8"))
    return found


def save(folder: Path, model: Published, kind: Any = AutoModelForImageTextToText) -> Path:
    """Save a tiny model as the published one is laid out."""
    torch.manual_seed(0)
    config = _merged(told(model, "config.json"), model.config) | {"dtype": "float32"}
    config = {name: value for name, value in config.items() if value is not None and name != "torch_dtype"}
    made = AutoConfig.for_model(**config)
    words = _tokenizer(model, made.get_text_config().vocab_size)
    kind.from_config(made).save_pretrained(folder)
    # The layout of the published file, whatever this version of transformers writes.
    (folder / "config.json").write_text(json.dumps(config))
    words.save_pretrained(folder)
    for name in _COPIED:
        for source in _sources(model, name)[:1]:
            (folder / name).write_bytes(source.read_bytes())
        if name in model.own:
            (folder / name).write_text(json.dumps(model.own[name]))
    derived = PLACE / "_rebuilt" / "paligemma-3b-224.preprocessor_config.DERIVED.json"
    if "_rebuilt" in model.files:
        (folder / "preprocessor_config.json").write_bytes(derived.read_bytes())
    return folder


def _sources(model: Published, name: str) -> list[Path]:
    places = [PLACE / file for file in model.files]
    found = [place if place.suffix == ".json" else place / name for place in places]
    return [file for file in found if file.name == name and file.is_file()]


def _merged(whole: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    both = [name for name, part in parts.items() if isinstance(part, Mapping) and isinstance(whole.get(name), Mapping)]
    nested = {name: _merged(whole[name], parts[name]) for name in both}
    return {**whole, **parts, **nested}


def _tokenizer(model: Published, size: int) -> PreTrainedTokenizerFast:
    """Return a tokenizer of a few words that has the published special tokens at their own ids."""
    settings = told(model, "special_tokens_map.json") | told(model, "tokenizer_config.json")
    special = {int(n): token for n, token in settings.get("added_tokens_decoder", {}).items()}
    special |= {number: {"content": token, "special": True} for token, number in model.ids.items()}
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
    if model.ends is not None:
        marks = [(mark, vocabulary[mark]) for mark in model.ends.split() if mark != "$A"]
        tokenizer.post_processor = TemplateProcessing(single=model.ends, special_tokens=marks)
    parts = {name: _content(settings[name]) for name in _PARTS if settings.get(name)}
    named = settings.get("extra_special_tokens") or {}
    known = {
        name: _content(token) for name, token in settings.items() if name in ("boi_token", "eoi_token", "image_token")
    }
    words = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        padding_side=settings.get("padding_side", "right"),
        model_max_length=settings.get("model_max_length", VERY_LARGE_INTEGER),
        extra_special_tokens=(named if isinstance(named, dict) else {}) | known | model.words,
        **parts,
    )
    for flag in (True, False):
        words.add_tokens([t["content"] for t in special.values() if t["special"] is flag], special_tokens=flag)
    words.chat_template = settings.get("chat_template")
    return words


def _content(token: Any) -> str:
    return str(token["content"] if isinstance(token, Mapping) else token)
