"""Tiny models with random weights, of the real transformers classes, saved as any model from the hub is."""

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PaddleOCRVLConfig,
    PaddleOCRVLForConditionalGeneration,
    PaddleOCRVLProcessor,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipModel,
    SiglipProcessor,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.paddleocr_vl.image_processing_pil_paddleocr_vl import PaddleOCRVLImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from pipeline_core.models.embedder import Embedder
from pipeline_core.models.facts import describe_model
from pipeline_core.models.loading import load_embedder
from pipeline_core.models.settings import ModelSettings

SIDE, PATCH = 32, 16
N_PATCHES = (SIDE // PATCH) ** 2
WIDTH, LAYERS = 24, 3

CORPUS = [
    "Summarize the above image in one word:",
    "Summarize the above sentence in one word:",
    "You are a helpful assistant. system user assistant",
    "a red heart, a waving hand. two small dogs with dark skin tone",
]

TEMPLATE = (
    "<|im_start|>system\nA waving hand is a word here.<|im_end|>\n"
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def picture(seed: int) -> Image.Image:
    """A picture of random blocks, not square."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (4, 5, 3), generator=generator, dtype=torch.uint8).numpy()
    return Image.fromarray(pixels).resize((50, 40), Image.Resampling.NEAREST)


def tokenizer(**special: str) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer trained on a few words; it pads on the left, as generative models do."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<pad>", "<eos>", "<|im_start|>", "<|im_end|>", "<image>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", eos_token="<eos>", padding_side="left", **special
    )


def _vision() -> CLIPVisionConfig:
    return CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=PATCH,
    )


def _clip_images() -> CLIPImageProcessorPil:
    return CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})


def load(folder: Path, **options: Any) -> Embedder:
    """Load a saved model as a user's folder is loaded, onto the processor."""
    settings = ModelSettings(name=str(folder), **options)
    return load_embedder(settings, describe_model(settings), "cpu", folder.parent)


def save_llava(folder: Path) -> Path:
    """Save a Llava: a CLIP tower without its class token, and a Llama of three layers."""
    torch.manual_seed(0)
    words = tokenizer(bos_token="<|im_start|>")
    config = LlavaConfig(
        vision_config=_vision(),
        text_config=LlamaConfig(
            vocab_size=len(words),
            hidden_size=WIDTH,
            intermediate_size=48,
            num_hidden_layers=LAYERS,
            num_attention_heads=4,
            num_key_value_heads=2,
            initializer_range=0.2,
        ),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_seq_length=N_PATCHES,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
    )
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    LlavaProcessor(
        _clip_images(),
        words,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    ).save_pretrained(folder)
    return folder


def save_paligemma(folder: Path) -> Path:
    """Save a PaliGemma: no chat template, attention both ways, and a processor that adds tokens of its own."""
    torch.manual_seed(0)
    images = SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    images.image_seq_length = N_PATCHES
    processor = PaliGemmaProcessor(images, tokenizer(bos_token="<|im_start|>"))
    config = PaliGemmaConfig(
        vision_config={
            "model_type": "siglip_vision_model",
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": SIDE,
            "patch_size": PATCH,
            "projection_dim": WIDTH,
            "vision_use_head": False,
        },
        text_config={
            "model_type": "gemma",
            "vocab_size": len(processor.tokenizer),
            "hidden_size": WIDTH,
            "intermediate_size": 48,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 6,
            "initializer_range": 0.2,
        },
        image_token_index=processor.image_token_id,
        projection_dim=WIDTH,
    )
    PaliGemmaForConditionalGeneration(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _towers(length: int, n_words: int) -> dict[str, dict[str, int]]:
    vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    return {
        "vision_config": vision | {"image_size": SIDE, "patch_size": PATCH},
        "text_config": vision
        | {
            "max_position_embeddings": length,
            "vocab_size": n_words,
            "bos_token_id": 2,
            "eos_token_id": 1,
            "pad_token_id": 0,
        },
    }


def save_clip(folder: Path) -> Path:
    """Save a CLIP with a common space of 12 dimensions."""
    torch.manual_seed(0)
    words = tokenizer(model_max_length=77)
    CLIPModel(CLIPConfig(projection_dim=12, **_towers(77, len(words)))).save_pretrained(folder)
    CLIPProcessor(_clip_images(), words).save_pretrained(folder)
    return folder


def save_siglip(folder: Path) -> Path:
    """Save a SigLIP, whose text tower pools the last of 64 positions."""
    torch.manual_seed(0)
    words = tokenizer(model_max_length=64)
    SiglipModel(SiglipConfig(**_towers(64, len(words)))).save_pretrained(folder)
    SiglipProcessor(SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE}), words).save_pretrained(folder)
    return folder


def save_paddle(folder: Path) -> Path:
    """Save a PaddleOCR-VL, built as Qwen2-VL is: pictures keep their shape, and a token stands for 2 x 2 patches."""
    torch.manual_seed(0)
    words = tokenizer(bos_token="<|im_start|>", extra_special_tokens={"image_token": "<image>"})
    images = PaddleOCRVLImageProcessorPil(
        patch_size=PATCH // 2, merge_size=2, size={"shortest_edge": PATCH**2, "longest_edge": 64 * PATCH**2}
    )
    config = PaddleOCRVLConfig(
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": SIDE,
            "patch_size": PATCH // 2,
            "spatial_merge_size": 2,
        },
        text_config={
            "vocab_size": len(words),
            "hidden_size": WIDTH,
            "intermediate_size": 48,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 6,
            "initializer_range": 0.2,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 1]},
        },
        image_token_id=words.convert_tokens_to_ids("<image>"),
    )
    PaddleOCRVLForConditionalGeneration(config).save_pretrained(folder)
    PaddleOCRVLProcessor(images, words, chat_template=TEMPLATE).save_pretrained(folder)
    return folder
