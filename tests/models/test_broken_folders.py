"""No trace reaches a user from any folder: whatever is wrong with a model is told in one line that names it."""

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForImageTextToText

from pipeline_core.errors import ModelError
from tests.models import tiny
from tests.models.breaking import (
    CONFIG,
    PROCESSOR,
    TEMPLATE,
    TOKENIZER,
    TOKENS,
    WEIGHTS,
    Break,
    a_folder,
    cut,
    holds,
    images_say,
    part_says,
    round_and_round,
    says,
    unreadable,
    weighs,
    without,
)
from tests.shared import swell

PICKLED, INDEX = "pytorch_model.bin", "model.safetensors.index.json"
RAN = "the pickle ran"
QUERY = "language_model.model.layers.0.self_attn.q_proj.weight"


def replaced(name: str, content: bytes | Any) -> Break:
    """Other weights in the place of those that are there."""
    return lambda folder: (without(WEIGHTS)(folder), holds(name, content)(folder))


class Malice:
    """What a pickle does when it is read as one."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, (RAN,)


def header(table: Any, size: int | None = None) -> bytes:
    """The beginning of a file of tensors, which may lie about its length."""
    text = json.dumps(table).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text


TENSOR = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
NESTED = "[" * 100_000

BROKEN: dict[str, tuple[Break, str]] = {
    "nothing": (lambda folder: (shutil.rmtree(folder), folder.mkdir()), "no config.json"),
    "no config": (without(CONFIG), "no config.json"),
    "an empty config": (holds(CONFIG, b""), CONFIG),
    "a config that is no JSON": (holds(CONFIG, "{'model_type': llava}"), CONFIG),
    "a config that is cut": (cut(CONFIG, 0.5), CONFIG),
    "a config that is a list": (holds(CONFIG, []), "no JSON object"),
    "a config in another encoding": (holds(CONFIG, b'{"model_type": "ll\xe4va"}'), CONFIG),
    "a config in UTF-16": (
        lambda folder: holds(CONFIG, (folder / CONFIG).read_text().encode("utf-16"))(folder),
        CONFIG,
    ),
    "a config nested without end": (holds(CONFIG, NESTED), CONFIG),
    "a config that is a folder": (a_folder(CONFIG), "no config.json"),
    "a config that is a link to nothing": (
        lambda folder: (without(CONFIG)(folder), (folder / CONFIG).symlink_to("gone")),
        "no config.json",
    ),
    "a config that links to itself": (round_and_round(CONFIG), "no config.json"),
    "a config that cannot be read": (unreadable(CONFIG), f"{CONFIG} cannot be read"),
    "a config of 100 MB": (says(CONFIG, notes="x" * 100_000_000), f"{CONFIG} has 100 MB"),
    "a config without a type": (holds(CONFIG, {}), "neither generates"),
    "a type that is a number": (says(CONFIG, model_type=3), "(3) neither generates"),
    "a type that is null": (says(CONFIG, model_type=None), "neither generates"),
    "a type that is a list": (says(CONFIG, model_type=["llava"]), "neither generates"),
    "a type that nobody knows": (says(CONFIG, model_type="unheard_of"), "(unheard_of) neither"),
    "a text model": (says(CONFIG, model_type="bert", architectures=["BertModel"]), "(bert) neither"),
    "architectures that are a number": (says(CONFIG, architectures=7), "architectures"),
    "another architecture's config": (holds(CONFIG, {"model_type": "qwen2_vl"}), "lacks"),
    "a config of no parts": (says(CONFIG, text_config=None, vision_config=None), "lacks most of the weights"),
    "a part that is a list": (says(CONFIG, text_config=[]), "text_config"),
    "a part that is a list of numbers": (says(CONFIG, vision_config=[1]), "vision_config"),
    "a part that is a number": (says(CONFIG, vision_config=1), "vision_config"),
    "a part that is a word": (says(CONFIG, text_config="small"), "text_config"),
    "a part of an unknown type": (part_says("text_config", model_type="unheard_of"), "unheard_of"),
    "layers that are a word": (part_says("text_config", num_hidden_layers="three"), "num_hidden_layers"),
    "fewer layers than none": (part_says("text_config", num_hidden_layers=-1), "have no place in what its"),
    "more layers than weights": (part_says("text_config", num_hidden_layers=4), "lacks 9 of the weights"),
    "a width that is null": (part_says("text_config", hidden_size=None), "hidden_size"),
    "another width": (part_says("text_config", hidden_size=32), "shapes that its config does not give"),
    "fewer layers than weights": (part_says("text_config", num_hidden_layers=1), "have no place in what its config"),
    "biases that the config does without": (says(CONFIG, multimodal_projector_bias=False), "2 of the weights of"),
    "norms that the config does not know": (
        weighs(
            lambda weights: weights.update({"language_model.model.layers.0.self_attn.q_norm.weight": torch.ones(8)})
        ),
        "1 of the weights of",
    ),
    "a vocabulary of another size": (part_says("text_config", vocab_size=7), "shapes that its config"),
    "no heads": (part_says("text_config", num_attention_heads=0), ""),
    "an activation that nobody knows": (part_says("text_config", hidden_act="unheard_of"), "unheard_of"),
    "patches of nothing": (part_says("vision_config", patch_size=0), ""),
    "no weights": (without(WEIGHTS), WEIGHTS),
    "empty weights": (holds(WEIGHTS, b""), f"{WEIGHTS} is damaged"),
    "weights that are cut": (cut(WEIGHTS, 0.7), f"{WEIGHTS} is damaged"),
    "a header of 20 MB": (lambda folder: swell(folder / WEIGHTS), "its header would have 20 MB"),
    "a header that is cut": (cut(WEIGHTS, 0.01), f"{WEIGHTS} is damaged"),
    "weights with something behind": (
        lambda folder: holds(WEIGHTS, (folder / WEIGHTS).read_bytes() + b"more")(folder),
        f"{WEIGHTS} is damaged",
    ),
    "a giant header": (holds(WEIGHTS, header({}, 2**62)), f"{WEIGHTS} is damaged"),
    "a header that is no JSON": (holds(WEIGHTS, struct.pack("<Q", 8) + b"{{{{{{{{"), f"{WEIGHTS} is damaged"),
    "a header nested without end": (
        holds(WEIGHTS, struct.pack("<Q", len(NESTED)) + NESTED.encode()),
        f"{WEIGHTS} is damaged",
    ),
    "a header that is a list": (holds(WEIGHTS, header([])), f"{WEIGHTS} is damaged"),
    "a tensor that is a number": (holds(WEIGHTS, header({"a": 1})), f"{WEIGHTS} is damaged"),
    "a tensor without a shape": (
        holds(WEIGHTS, header({"a": {"dtype": "F32", "data_offsets": [0, 8]}}) + bytes(8)),
        f"{WEIGHTS} is damaged",
    ),
    "offsets beyond the end": (
        holds(WEIGHTS, header({"a": TENSOR | {"data_offsets": [0, 2**40]}}) + bytes(8)),
        f"{WEIGHTS} is damaged",
    ),
    "tensors over each other": (holds(WEIGHTS, header({"a": TENSOR, "b": TENSOR}) + bytes(8)), f"{WEIGHTS} is damaged"),
    "a number format that nobody knows": (
        holds(WEIGHTS, header({"a": TENSOR | {"dtype": "F31"}}) + bytes(8)),
        f"{WEIGHTS} is damaged",
    ),
    "weights of no tensor": (holds(WEIGHTS, header({})), "lacks"),
    "a page in place of weights": (holds(WEIGHTS, "<!DOCTYPE html><html></html>"), f"{WEIGHTS} is damaged"),
    "a pointer in place of weights": (
        holds(WEIGHTS, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n"),
        f"{WEIGHTS} is damaged",
    ),
    "weights that are a folder": (a_folder(WEIGHTS), WEIGHTS),
    "weights that link to themselves": (round_and_round(WEIGHTS), WEIGHTS),
    "weights that cannot be read": (unreadable(WEIGHTS), "[Errno "),
    "weights of another shape": (
        weighs(lambda weights: weights.update({key: torch.zeros(2, 2) for key in [*weights] if "q_proj" in key})),
        "shapes that its config does not give",
    ),
    "weights that are missing": (
        weighs(lambda weights: [weights.pop(key) for key in [*weights] if "q_proj" in key]),
        "lacks 7 of the weights",
    ),
    "weights by other names": (
        weighs(lambda weights: [weights.update({f"x.{key}": weights.pop(key)}) for key in [*weights]]),
        "lacks",
    ),
    "an empty index": (replaced(INDEX, b""), INDEX),
    "an index without a map": (replaced(INDEX, {}), "names no shards"),
    "an index of numbers": (replaced(INDEX, {"weight_map": {"a": 1}}), "names no shards"),
    "an index of a shard that is missing": (replaced(INDEX, {"weight_map": {"a": "gone"}}), "no gone"),
    "an index that leads elsewhere": (replaced(INDEX, {"weight_map": {"a": "/etc/passwd"}}), "names no shards"),
    "a pickle that runs code": (
        replaced(PICKLED, pickle.dumps({"a": Malice(), "b": bytes(100_000)}, protocol=2)),
        "holds more than weights",
    ),
    "an empty pickle": (replaced(PICKLED, b""), "in files of 0 bytes"),
    "a pickle of no weights": (replaced(PICKLED, pickle.dumps([1, 2], protocol=2)), ""),
    "a pickle that is cut": (replaced(PICKLED, pickle.dumps({"a": 1})[:-4]), ""),
    "no tokenizer": (without(TOKENIZER, TOKENS), TOKENIZER),
    "an empty tokenizer": (holds(TOKENIZER, b""), f"{TOKENIZER} cannot be read"),
    "a tokenizer that is no JSON": (holds(TOKENIZER, "no JSON"), f"{TOKENIZER} cannot be read"),
    "a tokenizer that is a list": (holds(TOKENIZER, []), f"{TOKENIZER} holds no JSON object"),
    "a tokenizer without a model": (holds(TOKENIZER, {"version": "1.0"}), ""),
    "a tokenizer of an unknown model": (says(TOKENIZER, model={"type": "unheard_of"}), ""),
    "tokens that are no JSON": (holds(TOKENS, "no JSON"), f"{TOKENS} cannot be read"),
    "tokens that are a list": (holds(TOKENS, []), f"{TOKENS} holds no JSON object"),
    "no processor": (without(PROCESSOR), PROCESSOR),
    "a processor that is no JSON": (holds(PROCESSOR, "no JSON"), f"{PROCESSOR} cannot be read"),
    "a processor that is a list": (holds(PROCESSOR, []), f"{PROCESSOR} holds no JSON object"),
    "a processor of an unknown class": (holds(PROCESSOR, {"processor_class": "UnheardOf"}), ""),
    "a tokenizer that is a folder": (a_folder(TOKENIZER), ""),
    "a tokenizer that cannot be read": (unreadable(TOKENIZER), "[Errno "),
    "a processor that is a folder": (a_folder(PROCESSOR), f"there is no pre{PROCESSOR}"),
    "a processor that links to itself": (round_and_round(PROCESSOR), f"there is no pre{PROCESSOR}"),
    "pictures that are a word": (says(PROCESSOR, image_processor="square"), ""),
    "pictures of a class that is a number": (says(PROCESSOR, image_processor={"image_processor_type": 3}), ""),
    "pictures of an unknown class": (says(PROCESSOR, image_processor={"image_processor_type": "UnheardOf"}), ""),
    "pictures of a size that is a word": (images_say(size="large"), "Could not convert size"),
    "pictures of a size that is a list": (images_say(size=[1]), ""),
    "a template in another encoding": (holds(TEMPLATE, b"\xe4{{"), "decode byte 0xe4"),
    "a padding side that is none": (says(TOKENS, padding_side="middle"), "Padding side"),
    "a longest text that is a word": (says(TOKENS, model_max_length="long"), ""),
    "a padding token that is a number": (says(TOKENS, pad_token=3), "pad_token"),
    "special tokens that are no JSON": (holds("special_tokens_map.json", "no JSON"), "Expecting value"),
    "a quantisation that is a word": (says(CONFIG, quantization_config="four bits"), ""),
    "an adapter of nothing": (
        lambda folder: (without(CONFIG)(folder), holds("adapter_config.json", {})(folder)),
        "names no base model",
    ),
    "an adapter over itself": (
        lambda folder: (
            without(CONFIG)(folder),
            holds("adapter_config.json", {"base_model_name_or_path": str(folder)})(folder),
        ),
        "",
    ),
}


@pytest.mark.parametrize(("broken", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_folder_is_told_in_one_line(
    broken: Break, words: str, llava_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(llava_folder, folder)
    broken(folder)
    with pytest.raises(ModelError) as caught:
        tiny.load(folder)
    message = str(caught.value)
    assert "\n" not in message and words in message and len(message) < 700 and caught.value.remedy
    assert str(folder) in message or "LlavaModel" in message
    assert RAN not in "".join(capfd.readouterr())


SIZES = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
FOREIGN: dict[str, tuple[dict[str, Any], str]] = {
    "mllama": (
        {
            "text_config": SIZES
            | {"cross_attention_layers": [1], "vocab_size": 400, "num_key_value_heads": 2}
            | {"bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0},
            "vision_config": SIZES
            | {"num_hidden_layers": 1, "num_global_layers": 1, "attention_heads": 2, "image_size": 32, "patch_size": 8}
            | {"intermediate_layers_indices": [0], "vision_output_dim": 32, "max_num_tiles": 2}
            | {"supported_aspect_ratios": [[1, 1], [1, 2], [2, 1]]},
        },
        "looks at pictures by cross attention",
    ),
    "blip-2": (
        {
            "vision_config": SIZES | {"image_size": 32, "patch_size": 8},
            "qformer_config": SIZES | {"vocab_size": 400, "encoder_hidden_size": 16},
            "text_config": SIZES | {"model_type": "opt", "ffn_dim": 32, "vocab_size": 400, "word_embed_proj_dim": 16},
            "num_query_tokens": 4,
        },
        "(blip-2) takes no text alone; use another model",
    ),
    "kosmos-2": (
        {
            "vision_config": SIZES | {"image_size": 32, "patch_size": 8},
            "text_config": {"embed_dim": 16, "layers": 2, "ffn_dim": 32, "attention_heads": 2, "vocab_size": 400},
            "latent_query_num": 4,
        },
        "has no list of 2 decoder layers",
    ),
    # Their own sizes beside the weights of another: refused before memory is taken for them.
    "florence2": ({}, "lacks most of the weights"),
    "phi4_multimodal": ({}, "neither generates text from pictures nor embeds both"),
}
"""Models that are built otherwise than any family knows: their configs made small, and why they are refused."""


@pytest.mark.parametrize("model_type", FOREIGN)
def test_a_model_that_is_built_otherwise_is_refused_in_one_line(
    model_type: str, llava_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(llava_folder, folder)
    sizes, words = FOREIGN[model_type]
    if sizes:
        config = AutoConfig.for_model(model_type, **sizes)
        AutoModelForImageTextToText.from_config(config).save_pretrained(folder)
    else:
        holds(CONFIG, {"model_type": model_type})(folder)
    with pytest.raises(ModelError) as caught:
        tiny.load(folder)
    assert "\n" not in str(caught.value) and words in str(caught.value) and caught.value.remedy


@pytest.mark.parametrize("make", [Path.touch, os.mkfifo, lambda place: place.symlink_to(place)])
def test_what_is_no_folder_is_no_model(make: Callable[[Path], object], tmp_path: Path) -> None:
    make(tmp_path / "model")
    with pytest.raises(ModelError, match="there is no model") as caught:
        tiny.load(tmp_path / "model")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "beside", [lambda folder: os.mkfifo(folder / "pipe"), lambda folder: (folder / "again").symlink_to(folder)]
)
def test_what_else_lies_in_a_folder_does_no_harm(beside: Break, llava_folder: Path, tmp_path: Path) -> None:
    """A pipe that nobody writes to would be waited for, a folder that holds itself be gone through for ever."""
    folder = tmp_path / "model"
    shutil.copytree(llava_folder, folder)
    beside(folder)
    assert tiny.load(folder).facts.family == "llava"


def test_a_dual_encoder_without_its_projection(tmp_path: Path) -> None:
    folder = tiny.save_clip(tmp_path)
    weighs(lambda weights: weights.pop("text_projection.weight"))(folder)
    with pytest.raises(ModelError, match=r"lacks 1 of the weights that embedding needs: text_projection\.weight"):
        tiny.load(folder)
