"""A tiny dual encoder of the real classes for every family, saved as ``tiny_families`` saves generative models."""

from typing import Any

from tests.models.tiny_families import FIXED, SQUARE, VISION, Tiny

WORDS = VISION | {"bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0, "max_position_embeddings": 77}
CROPPED = {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 32}} | {
    "crop_size": {"height": 32, "width": 32}
}


def _dual(model_type: str, family: str | None = None, processor: str = "CLIPProcessor", **parts: Any) -> Tiny:
    images = parts.pop("images", CROPPED)
    attention = parts.pop("attention", "sdpa")
    options = {"model_max_length": parts.pop("length", 77)} | parts.pop("words", {})
    config = {"model_type": model_type, "text_config": WORDS, "vision_config": FIXED, "projection_dim": 12} | parts
    return Tiny(
        family or model_type,
        config,
        {"processor_class": processor},
        images,
        template=None,
        options=options,
        attention=attention,
    )


DUAL = {
    "clip": _dual("clip"),
    "metaclip_2": _dual("metaclip_2"),
    "altclip": _dual("altclip", processor="AltCLIPProcessor", text_config=WORDS | {"project_dim": 16}),
    "chinese_clip": _dual(
        "chinese_clip",
        processor="ChineseCLIPProcessor",
        images=SQUARE | {"image_processor_type": "ChineseCLIPImageProcessor", "do_center_crop": False},
    ),
    "align": _dual(
        "align",
        processor="AlignProcessor",
        attention="eager",
        vision_config={"image_size": 32, "width_coefficient": 0.25, "depth_coefficient": 0.25, "hidden_dim": 80}
        | {"initializer_range": 0.4},
        projection_dim=80,
        images=SQUARE | {"image_processor_type": "EfficientNetImageProcessor"},
    ),
    "vision_text_dual_encoder": _dual(
        "vision-text-dual-encoder",
        "vision_text_dual_encoder",
        "VisionTextDualEncoderProcessor",
        vision_config=FIXED | {"model_type": "vit"},
        text_config=WORDS | {"model_type": "bert"},
        images=SQUARE | {"image_processor_type": "ViTImageProcessor"},
    ),
    "aimv2": _dual("aimv2", text_config=WORDS | {"initializer_range": 0.3}),
    "blip": _dual(
        "blip",
        processor="BlipProcessor",
        attention="eager",
        vision_config=FIXED | {"initializer_range": 0.1},
        text_config=WORDS | {"encoder_hidden_size": 16, "is_decoder": False, "sep_token_id": 1},
        image_text_hidden_size=12,
        images=SQUARE | {"image_processor_type": "BlipImageProcessor"},
    ),
    "siglip": _dual(
        "siglip",
        processor="SiglipProcessor",
        text_config=WORDS | {"max_position_embeddings": 64, "projection_size": 16},
        images=SQUARE | {"image_processor_type": "SiglipImageProcessor"},
        length=64,
    ),
    "siglip2": _dual(
        "siglip2",
        "siglip",
        "Siglip2Processor",
        vision_config=VISION | {"patch_size": 8, "num_patches": 16},
        text_config=WORDS | {"max_position_embeddings": 64, "projection_size": 16},
        images={"image_processor_type": "Siglip2ImageProcessor", "patch_size": 8, "max_num_patches": 24},
        length=64,
        words={"unk_token": "<unk>"},
    ),
}
"""Dual encoders, by name."""
