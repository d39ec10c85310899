"""A tiny model of the real classes for every family, with random weights and settings of our own, saved as a folder.

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
ROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 1]}
MOE = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
HALVES = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}

QWEN_WORDS = {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"}
QWEN_TEMPLATE = tiny.TEMPLATE.replace("<image>", "<|vision_start|><|image_pad|><|vision_end|>")
QWEN_IDS = {
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
    "vision_start_token_id": "<|vision_start|>",
    "vision_end_token_id": "<|vision_end|>",
}


def qwen_images(patch: int) -> dict[str, Any]:
    """Settings of pictures that keep their shape."""
    pixels = {"min_pixels": (2 * patch) ** 2, "max_pixels": 64 * (2 * patch) ** 2}
    kind = {"image_processor_type": "Qwen2VLImageProcessor", "patch_size": patch, "merge_size": 2}
    return kind | pixels | {"temporal_patch_size": 2}


QWEN3_VISION = {"depth": 2, "hidden_size": 16, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 24} | {
    "patch_size": 8,
    "num_position_embeddings": 64,
}


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


IDEFICS_TILES = {
    "size": {"longest_edge": 64},
    "max_image_size": {"longest_edge": 32},
    "do_image_splitting": True,
} | HALVES
LLAVA_PARTS = {
    "vision_config": FIXED | {"model_type": "clip_vision_model"},
    "text_config": TEXT | {"model_type": "llama"},
    "image_token_index": "<image>",
    "vision_feature_layer": -1,
    "vision_feature_select_strategy": "default",
}
TILES = [[32, 64], [64, 32], [64, 64]]
LLAVA_IMAGES = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
SIGLIP = FIXED | {"model_type": "siglip_vision_model", "vision_use_head": False, "projection_dim": 24}
SQUARE = {"size": {"height": 32, "width": 32}} | HALVES
PIXTRAL_VISION = VISION | {"model_type": "pixtral", "image_size": 64, "patch_size": 8, "head_dim": 8}
PIXTRAL_WORDS = {"image_token": "[IMG]", "break_token": "[IMG_BREAK]", "end_token": "[IMG_END]"}
PIXTRAL_IMAGES = {"image_processor_type": "PixtralImageProcessor", "size": {"longest_edge": 64}, "patch_size": 8}

GENERATIVE = {
    "qwen2_vl": Tiny(
        "qwen2_vl",
        {
            "model_type": "qwen2_vl",
            "vision_config": {"depth": 2, "embed_dim": 16, "hidden_size": 24, "num_heads": 2, "patch_size": 8},
            "text_config": TEXT | {"rope_parameters": ROPE},
        }
        | QWEN_IDS,
        {"processor_class": "Qwen2VLProcessor"},
        qwen_images(8),
        QWEN_WORDS,
        QWEN_TEMPLATE,
    ),
    "qwen2_5_vl": Tiny(
        "qwen2_vl",
        {
            "model_type": "qwen2_5_vl",
            "vision_config": {"depth": 2, "hidden_size": 16, "intermediate_size": 32, "num_heads": 2}
            | {"out_hidden_size": 24, "patch_size": 8, "window_size": 32, "fullatt_block_indexes": [1]},
            "text_config": TEXT | {"rope_parameters": ROPE},
        }
        | QWEN_IDS,
        {"processor_class": "Qwen2_5_VLProcessor"},
        qwen_images(8),
        QWEN_WORDS,
        QWEN_TEMPLATE,
    ),
    "qwen3_vl": Tiny(
        "qwen3_vl",
        {
            "model_type": "qwen3_vl",
            "vision_config": QWEN3_VISION | {"deepstack_visual_indexes": [0, 1]},
            "text_config": TEXT | {"rope_parameters": ROPE | {"mrope_interleaved": True}},
        }
        | QWEN_IDS,
        {"processor_class": "Qwen3VLProcessor"},
        qwen_images(8),
        QWEN_WORDS,
        QWEN_TEMPLATE,
    ),
    "qwen3_vl_moe": Tiny(
        "qwen3_vl",
        {
            "model_type": "qwen3_vl_moe",
            "vision_config": QWEN3_VISION | {"deepstack_visual_indexes": [0]},
            "text_config": TEXT | MOE | {"rope_parameters": ROPE | {"mrope_interleaved": True}},
        }
        | QWEN_IDS,
        {"processor_class": "Qwen3VLProcessor"},
        qwen_images(8),
        QWEN_WORDS,
        QWEN_TEMPLATE,
    ),
    "qwen3_5": Tiny(
        "qwen3_vl",
        {
            "model_type": "qwen3_5",
            "vision_config": QWEN3_VISION,
            "text_config": TEXT
            | {"num_hidden_layers": 4, "head_dim": 8, "linear_key_head_dim": 8, "linear_value_head_dim": 8}
            | {"linear_num_key_heads": 2, "linear_num_value_heads": 2}
            | {"rope_parameters": ROPE | {"mrope_interleaved": True, "partial_rotary_factor": 0.75}},
        }
        | QWEN_IDS,
        {"processor_class": "Qwen3VLProcessor"},
        qwen_images(8),
        QWEN_WORDS,
        QWEN_TEMPLATE,
    ),
    "glm4v": Tiny(
        "glm4v",
        {
            "model_type": "glm4v",
            "vision_config": {"depth": 2, "hidden_size": 16, "intermediate_size": 32, "num_heads": 2}
            | {"out_hidden_size": 24, "patch_size": 8, "image_size": 64},
            "text_config": TEXT | {"rope_parameters": ROPE | {"partial_rotary_factor": 1.0}},
            "image_token_id": "<|image|>",
            "video_token_id": "<|video|>",
            "image_start_token_id": "<|begin_of_image|>",
            "image_end_token_id": "<|end_of_image|>",
            "video_start_token_id": "<|begin_of_video|>",
            "video_end_token_id": "<|end_of_video|>",
        },
        {"processor_class": "Glm4vProcessor"},
        {"image_processor_type": "Glm4vImageProcessor", "patch_size": 8, "merge_size": 2, "temporal_patch_size": 2}
        | {"size": {"shortest_edge": 2 * 16**2, "longest_edge": 2 * 64 * 16**2}},
        {"image_token": "<|image|>", "video_token": "<|video|>"},
        tiny.TEMPLATE.replace("<image>", "<|begin_of_image|><|image|><|end_of_image|>"),
    ),
    "llava_next": Tiny(
        "llava",
        {"model_type": "llava_next", "image_grid_pinpoints": TILES} | LLAVA_PARTS,
        {"processor_class": "LlavaNextProcessor", "patch_size": 8, "vision_feature_select_strategy": "default"}
        | {"num_additional_image_tokens": 1},
        {"image_processor_type": "LlavaNextImageProcessor", "image_grid_pinpoints": TILES} | LLAVA_IMAGES,
    ),
    "llava_onevision": Tiny(
        "llava",
        {
            "model_type": "llava_onevision",
            "vision_config": SIGLIP,
            "text_config": TEXT | {"model_type": "qwen2"},
            "image_token_index": "<image>",
            "video_token_index": "<video>",
            "image_grid_pinpoints": TILES,
            "vision_feature_layer": -1,
            "vision_feature_select_strategy": "full",
        },
        {"processor_class": "LlavaOnevisionProcessor", "num_image_tokens": 16}
        | {"vision_feature_select_strategy": "full"},
        {"image_processor_type": "LlavaOnevisionImageProcessor", "image_grid_pinpoints": TILES} | SQUARE,
        {"video_token": "<video>"},
    ),
    "smolvlm": Tiny(
        "smolvlm",
        {
            "model_type": "smolvlm",
            "vision_config": FIXED,
            "text_config": TEXT | {"model_type": "llama"},
            "image_token_id": "<image>",
        },
        {"processor_class": "SmolVLMProcessor", "image_seq_len": 4},
        {"image_processor_type": "SmolVLMImageProcessor"} | IDEFICS_TILES,
        {"fake_image_token": "<fake_token_around_image>", "global_image_token": "<global-img>"},
    ),
    "idefics3": Tiny(
        "smolvlm",
        {
            "model_type": "idefics3",
            "vision_config": FIXED,
            "text_config": TEXT | {"model_type": "llama"},
            "image_token_id": "<image>",
        },
        {"processor_class": "Idefics3Processor", "image_seq_len": 4},
        {"image_processor_type": "Idefics3ImageProcessor"} | IDEFICS_TILES,
        {"fake_image_token": "<fake_token_around_image>", "global_image_tag": "<global-img>"}
        | {"end_of_utterance_token": "<end_of_utterance>"},
    ),
    "internvl": Tiny(
        "internvl",
        {
            "model_type": "internvl",
            "vision_config": VISION | {"image_size": [32, 32], "patch_size": [8, 8]},
            "text_config": TEXT | {"model_type": "qwen2"},
            "image_token_id": "<IMG_CONTEXT>",
            "image_seq_length": 4,
        },
        {"processor_class": "InternVLProcessor", "image_seq_length": 4},
        {"image_processor_type": "GotOcr2ImageProcessor", "crop_to_patches": True, "max_patches": 4, "min_patches": 1}
        | SQUARE,
        {"start_image_token": "<img>", "end_image_token": "</img>", "context_image_token": "<IMG_CONTEXT>"}
        | {"video_token": "<video>"},
        tiny.TEMPLATE.replace("<image>", "<IMG_CONTEXT>"),
    ),
    "gemma3": Tiny(
        "gemma3",
        {
            "model_type": "gemma3",
            "vision_config": SIGLIP,
            "text_config": TEXT | {"model_type": "gemma3_text", "sliding_window": 64, "query_pre_attn_scalar": 6},
            "mm_tokens_per_image": 4,
            "boi_token_index": "<start_of_image>",
            "eoi_token_index": "<end_of_image>",
            "image_token_index": "<image_soft_token>",
        },
        {"processor_class": "Gemma3Processor", "image_seq_length": 4},
        {"image_processor_type": "Gemma3ImageProcessor"} | SQUARE,
        {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"},
        "<|im_start|>" + tiny.TEMPLATE.replace("<image>", "<start_of_image>"),
    ),
    "mistral3": Tiny(
        "mistral3",
        {
            "model_type": "mistral3",
            "vision_config": PIXTRAL_VISION,
            "text_config": TEXT | {"model_type": "mistral"},
            "image_token_index": "[IMG]",
            "spatial_merge_size": 2,
        },
        {"processor_class": "PixtralProcessor", "patch_size": 8, "spatial_merge_size": 2},
        PIXTRAL_IMAGES,
        PIXTRAL_WORDS,
        tiny.TEMPLATE.replace("<image>", "[IMG]"),
    ),
    "pixtral": Tiny(
        "llava",
        {
            "model_type": "llava",
            "vision_config": PIXTRAL_VISION,
            "text_config": TEXT | {"model_type": "mistral"},
            "image_token_index": "[IMG]",
            "vision_feature_layer": -1,
            "vision_feature_select_strategy": "full",
        },
        {"processor_class": "PixtralProcessor", "patch_size": 8},
        PIXTRAL_IMAGES,
        PIXTRAL_WORDS,
        tiny.TEMPLATE.replace("<image>", "[IMG]"),
    ),
    "paligemma2": Tiny(
        "paligemma",
        {
            "model_type": "paligemma",
            "vision_config": SIGLIP,
            "text_config": TEXT
            | {"model_type": "gemma2", "sliding_window": 512, "query_pre_attn_scalar": 6}
            | {"layer_types": ["sliding_attention", "full_attention", "sliding_attention"]},
            "image_token_index": "<image>",
            "projection_dim": 24,
        },
        {"processor_class": "PaliGemmaProcessor"},
        {"image_processor_type": "SiglipImageProcessor", "image_seq_length": 16} | SQUARE,
        {"image_token": "<image>"},
        None,
        attention="eager",
    ),
    "chameleon": Tiny(
        "chameleon",
        TEXT
        | {
            "model_type": "chameleon",
            "vq_config": {"embed_dim": 8, "num_embeddings": 4, "latent_channels": 8, "resolution": 32}
            | {"base_channels": 32, "channel_multiplier": [1, 2], "num_res_blocks": 1},
            "vocabulary_map": {
                "<image>": "<image>",
                "IMGIMGAZ": "IMGIMGAZ",
                "IMGIMGBZ": "IMGIMGBZ",
                "IMGIMGCZ": "IMGIMGCZ",
                "IMGIMGDZ": "IMGIMGDZ",
            },
        },
        {"processor_class": "ChameleonProcessor", "image_seq_length": 256},
        {"image_processor_type": "ChameleonImageProcessor", "size": {"shortest_edge": 32}}
        | {"crop_size": {"height": 32, "width": 32}},
        {"boi_token": "<racm3:break>", "eoi_token": "<eoss>"},
        None,
        {"sep_token": "<reserved08706>"},
    ),
    "deepseek_vl": Tiny(
        "deepseek_vl",
        {
            "model_type": "deepseek_vl",
            "vision_config": SIGLIP,
            "text_config": TEXT | {"model_type": "llama"},
            "image_token_id": "<image_placeholder>",
        },
        {"processor_class": "DeepseekVLProcessor", "num_image_tokens": 16},
        {"image_processor_type": "DeepseekVLImageProcessor"} | SQUARE,
        {"image_token": "<image_placeholder>"},
        tiny.TEMPLATE.replace("<image>", "<image_placeholder>"),
    ),
    "janus": Tiny(
        "janus",
        {
            "model_type": "janus",
            "vision_config": FIXED | {"mlp_ratio": 2.0, "projection_dim": 24, "num_image_tokens": 16},
            "vq_config": {"embed_dim": 8, "num_embeddings": 8, "latent_channels": 8, "base_channels": 32}
            | {"channel_multiplier": [1, 1], "num_res_blocks": 1, "num_patches": 4}
            | {"projection_dim": 24, "image_token_embed_dim": 24},
            "text_config": TEXT | {"model_type": "llama"},
            "image_token_id": "<image_placeholder>",
        },
        {"processor_class": "JanusProcessor", "num_image_tokens": 16},
        {"image_processor_type": "JanusImageProcessor", "min_size": 14} | SQUARE,
        {"image_token": "<image_placeholder>", "boi_token": "<begin_of_image>", "eoi_token": "<end_of_image>"},
        tiny.TEMPLATE.replace("<image>", "<image_placeholder>"),
    ),
}
"""Generative models, by name."""


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
