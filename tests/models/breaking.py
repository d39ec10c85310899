"""Ways to break the folder of a model: a file that is gone, cut, of another kind, or that says something else."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

Break = Callable[[Path], object]

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
PROCESSOR, TOKENS = "processor_config.json", "tokenizer_config.json"
TEMPLATE = "chat_template.jinja"


def without(*names: str) -> Break:
    """Files that are not there."""
    return lambda folder: [(folder / name).unlink() for name in names]


def holds(name: str, content: bytes | str | Any) -> Break:
    """A file that holds something else."""
    written = content if isinstance(content, bytes | str) else json.dumps(content)
    return lambda folder: (folder / name).write_bytes(written if isinstance(written, bytes) else written.encode())


def says(name: str, **values: Any) -> Break:
    """A file of JSON with some values replaced."""

    def change(folder: Path) -> None:
        told = json.loads((folder / name).read_text(encoding="utf-8"))
        (folder / name).write_text(json.dumps(told | values), encoding="utf-8")

    return change


def part_says(part: str, **values: Any) -> Break:
    """A part of the config with some values replaced."""
    return lambda folder: says(CONFIG, **{part: json.loads((folder / CONFIG).read_text())[part] | values})(folder)


def images_say(**values: Any) -> Break:
    """Settings of pictures with some values replaced."""
    return lambda folder: says(
        PROCESSOR, image_processor=json.loads((folder / PROCESSOR).read_text())["image_processor"] | values
    )(folder)


def cut(name: str, keep: float) -> Break:
    """A file of which the end is missing."""
    return lambda folder: os.truncate(folder / name, int((folder / name).stat().st_size * keep))


def a_folder(name: str) -> Break:
    """A folder where a file should be."""
    return lambda folder: (without(name)(folder), (folder / name).mkdir())


def unreadable(name: str) -> Break:
    """A file that is there but gives nothing; whoever may read all gets one that fails under the hand."""

    def close(folder: Path) -> None:
        if os.geteuid():
            (folder / name).chmod(0)
        else:
            without(name)(folder)
            (folder / name).symlink_to("/proc/self/mem")

    return close


def round_and_round(name: str) -> Break:
    """A link to itself."""
    return lambda folder: (without(name)(folder), (folder / name).symlink_to(name))


def weighs(change: Callable[[dict[str, torch.Tensor]], object]) -> Break:
    """Weights that are changed."""

    def rewrite(folder: Path) -> None:
        weights = load_file(folder / WEIGHTS)
        change(weights)
        save_file(weights, folder / WEIGHTS, {"format": "pt"})

    return rewrite
