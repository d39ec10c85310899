"""A tiny generative model of the real classes for every model type that a family names."""

from collections.abc import Mapping
from typing import Any

from tests.models import tiny
from tests.models.tiny_families import FIXED, HALVES, SQUARE, TEXT, VISION, Tiny

ROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 1]}
MOE = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
DEEP = {"depth": 2, "num_heads": 2}
TOWER = DEEP | {"hidden_size": 16, "intermediate_size": 32, "out_hidden_size": 24}
QWEN3_VISION = TOWER | {"patch_size": 8, "num_position_embeddings": 64}
INTERLEAVED = {"rope_parameters": ROPE | {"mrope_interleaved": True}}
LINEAR = (
    {"num_hidden_layers": 4, "head_dim": 8, "linear_key_head_dim": 8, "linear_value_head_dim": 8}
    | {"linear_num_key_heads": 2, "linear_num_value_heads": 2}
    | {"rope_parameters": ROPE | {"mrope_interleaved": True, "partial_rotary_factor": 0.75}}
)
GLM_VISION = TOWER | {"patch_size": 8, "image_size": 64}
TILES = [[32, 64], [64, 32], [64, 64]]
SIGLIP = FIXED | {"model_type": "siglip_vision_model", "vision_use_head": False, "projection_dim": 24}


def _qwen(
    model_type: str,
    vision: Mapping[str, Any],
    text: Mapping[str, Any],
    family: str = "qwen3_vl",
    processor: str = "Qwen3VLProcessor",
) -> Tiny:
    """Pictures keep their shape, and a token stands for 2 x 2 patches of 8 pixels."""
    words = {"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"}
    markers = {"vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>"}
    return Tiny(
        family,
        {"model_type": model_type, "vision_config": vision, "text_config": TEXT | text}
        | {f"{name}_id": word for name, word in words.items()}
        | markers,
        {"processor_class": processor},
        {"image_processor_type": "Qwen2VLImageProcessor", "patch_size": 8, "merge_size": 2, "temporal_patch_size": 2}
        | {"min_pixels": 16**2, "max_pixels": 64 * 16**2},
        words,
        tiny.TEMPLATE.replace("<image>", "<|vision_start|><|image_pad|><|vision_end|>"),
    )


def _glm(model_type: str, **text: Any) -> Tiny:
    """As Qwen's, with markers of its own."""
    words = {"image_token": "<|image|>", "video_token": "<|video|>"}
    markers = {
        f"{kind}_{place}_token_id": f"<|{word}_of_{kind}|>"
        for kind in ("image", "video")
        for place, word in (("start", "begin"), ("end", "end"))
    }
    return Tiny(
        "glm4v",
        {"model_type": model_type, "vision_config": GLM_VISION}
        | {"text_config": TEXT | {"rope_parameters": ROPE | {"partial_rotary_factor": 1.0}} | text}
        | {f"{name}_id": word for name, word in words.items()}
        | markers,
        {"processor_class": "Glm4vProcessor"},
        {"image_processor_type": "Glm4vImageProcessor", "patch_size": 8, "merge_size": 2, "temporal_patch_size": 2}
        | {"size": {"shortest_edge": 2 * 16**2, "longest_edge": 2 * 64 * 16**2}},
        words,
        tiny.TEMPLATE.replace("<image>", "<|begin_of_image|><|image|><|end_of_image|>"),
    )


def _llava(model_type: str, processor: str, images: str, tiles: Mapping[str, Any]) -> Tiny:
    """CLIP's tower without the token of its class."""
    return Tiny(
        "llava",
        {
            "model_type": model_type,
            "vision_config": FIXED | {"model_type": "clip_vision_model"},
            "text_config": TEXT | {"model_type": "llama"},
            "image_token_index": "<image>",
            "vision_feature_layer": -1,
            "vision_feature_select_strategy": "default",
        }
        | tiles,
        {"processor_class": processor, "patch_size": 8, "vision_feature_select_strategy": "default"}
        | {"num_additional_image_tokens": 1},
        {"image_processor_type": images, "size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
        | tiles,
    )


def _paligemma(text: Mapping[str, Any], attention: str) -> Tiny:
    """No template, and attention both ways over the prompt."""
    return Tiny(
        "paligemma",
        {"model_type": "paligemma", "vision_config": SIGLIP, "text_config": TEXT | text}
        | {"image_token_index": "<image>", "projection_dim": 24},
        {"processor_class": "PaliGemmaProcessor"},
        {"image_processor_type": "SiglipImageProcessor", "image_seq_length": 16} | SQUARE,
        {"image_token": "<image>"},
        None,
        attention=attention,
    )


def _tiles(model_type: str, kind: str, words: Mapping[str, str]) -> Tiny:
    """A picture in tiles of 32 pixels, four tokens each, with markers, and then as a whole."""
    return Tiny(
        "smolvlm",
        {"model_type": model_type, "vision_config": FIXED, "text_config": TEXT | {"model_type": "llama"}}
        | {"image_token_id": "<image>"},
        {"processor_class": f"{kind}Processor", "image_seq_len": 4},
        {"image_processor_type": f"{kind}ImageProcessor", "do_image_splitting": True}
        | {"size": {"longest_edge": 64}, "max_image_size": {"longest_edge": 32}}
        | HALVES,
        {"fake_image_token": "<fake_token_around_image>"} | words,
    )


def _pixtral(model_type: str, config: Mapping[str, Any], processor: Mapping[str, Any]) -> Tiny:
    """Pixtral's tower keeps a picture's shape, and a marker ends each row."""
    return Tiny(
        model_type,
        {
            "model_type": model_type,
            "vision_config": VISION | {"model_type": "pixtral", "image_size": 64, "patch_size": 8, "head_dim": 8},
            "text_config": TEXT | {"model_type": "mistral"},
            "image_token_index": "[IMG]",
        }
        | config,
        {"processor_class": "PixtralProcessor", "patch_size": 8} | processor,
        {"image_processor_type": "PixtralImageProcessor", "size": {"longest_edge": 64}, "patch_size": 8},
        {"image_token": "[IMG]", "break_token": "[IMG_BREAK]", "end_token": "[IMG_END]"},
        tiny.TEMPLATE.replace("<image>", "[IMG]"),
    )


GENERATIVE = {
    "qwen2_vl": _qwen(
        "qwen2_vl",
        DEEP | {"embed_dim": 16, "hidden_size": 24, "patch_size": 8},
        {"rope_parameters": ROPE},
        "qwen2_vl",
        "Qwen2VLProcessor",
    ),
    "qwen2_5_vl": _qwen(
        "qwen2_5_vl",
        TOWER | {"patch_size": 8, "window_size": 32, "fullatt_block_indexes": [1]},
        {"rope_parameters": ROPE},
        "qwen2_vl",
        "Qwen2_5_VLProcessor",
    ),
    "qwen3_vl": _qwen("qwen3_vl", QWEN3_VISION | {"deepstack_visual_indexes": [0, 1]}, INTERLEAVED),
    "qwen3_vl_moe": _qwen("qwen3_vl_moe", QWEN3_VISION | {"deepstack_visual_indexes": [0]}, MOE | INTERLEAVED),
    "qwen3_5": _qwen("qwen3_5", QWEN3_VISION, LINEAR),
    # All experts: rounded to bfloat16 it would choose others of some, and point elsewhere.
    "qwen3_5_moe": _qwen(
        "qwen3_5_moe", QWEN3_VISION, LINEAR | MOE | {"num_experts_per_tok": 4, "shared_expert_intermediate_size": 16}
    ),
    "glm4v": _glm("glm4v"),
    "glm4v_moe": _glm("glm4v_moe", n_routed_experts=4, num_experts_per_tok=2, moe_intermediate_size=16),
    "llava": _llava("llava", "LlavaProcessor", "CLIPImageProcessor", {}),
    "llava_next": _llava(
        "llava_next", "LlavaNextProcessor", "LlavaNextImageProcessor", {"image_grid_pinpoints": TILES}
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
    "smolvlm": _tiles("smolvlm", "SmolVLM", {"global_image_token": "<global-img>"}),
    "idefics3": _tiles(
        "idefics3", "Idefics3", {"global_image_tag": "<global-img>", "end_of_utterance_token": "<end_of_utterance>"}
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
    "mistral3": _pixtral("mistral3", {"spatial_merge_size": 2}, {"spatial_merge_size": 2}),
    "pixtral": _pixtral("llava", {"vision_feature_layer": -1, "vision_feature_select_strategy": "full"}, {}),
    "paligemma": _paligemma({"model_type": "gemma"}, "sdpa"),
    "paligemma2": _paligemma(
        {"model_type": "gemma2", "sliding_window": 512, "query_pre_attn_scalar": 6}
        | {"layer_types": ["sliding_attention", "full_attention", "sliding_attention"]},
        "eager",
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
