"""The files of a checkpoint, looked at before anything is loaded: they are there, and they are whole."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline_core.errors import ModelError
from pipeline_core.tensor_files import open_tensors

CONFIG, ADAPTER = "config.json", "adapter_config.json"
_SAFE, _PICKLED = "model.safetensors", "pytorch_model.bin"
_PICTURES = ("preprocessor_config.json", "processor_config.json")
_TOKENIZERS = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tekken.json",
)
_PRECISIONS = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}
_LARGEST = 64_000_000  # bytes of a file of JSON; the largest tokenizers have half of it
_WHOLE = "give the whole folder that save_pretrained wrote, or download the model again"


def check_files(model: str, folder: Path) -> None:
    """Look whether a checkpoint can be what it claims to be: tokenizer, processor of pictures, weights.

    Without its files a tokenizer would load all the same, with hardly a word to its name.

    Raises:
        ModelError: a file is missing or damaged.
    """
    if (folder / ADAPTER).is_file():
        raise broken(model, f"{folder} holds an adapter and a whole model: one of {ADAPTER} and {CONFIG} must go")
    for choice in (_TOKENIZERS, _PICTURES):
        if not any((folder / name).is_file() for name in choice):
            raise broken(model, f"there is no {choice[0]} (nor {', '.join(choice[1:])}) in {folder}")
    for name in ("tokenizer.json", "tokenizer_config.json", *_PICTURES):
        if (folder / name).is_file():
            read_json(model, folder / name)
    for file in weight_files(model, folder):
        if file.suffix == ".safetensors":
            check_tensors(model, file)


def weight_files(model: str, folder: Path) -> list[Path]:
    """Return the files of the weights, in the order in which transformers looks for them.

    Raises:
        ModelError: there are none, or a shard is missing.
    """
    for name in (_SAFE, _PICKLED):
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            return _shards(model, index)
    raise broken(model, f"there is no {_SAFE} (nor {_PICKLED}) in {folder}")


def check_tensors(model: str, file: Path) -> None:
    """Look at the header of a file of tensors, and at its size.

    Raises:
        ModelError: it is no such file, is truncated, or its header is larger than one can be.
    """
    try:
        with open_tensors(file):
            pass
    except (OSError, ValueError) as error:
        raise broken(model, f"{file.name} is damaged ({error})") from error


def precision(model: str, folder: Path, config: Mapping[str, Any]) -> str:
    """Return the precision that a checkpoint was saved in: what its config says, else its first weights.

    Raises:
        ModelError: neither says, or it is not one to run with.
    """
    told = config.get("dtype") or config.get("torch_dtype") or _stored(folder)
    if told not in _PRECISIONS.values():
        raise ModelError(
            f"the precision of the model {model} cannot be told" + (f" ({told})" if told else ""),
            f"set model.dtype to {', '.join(_PRECISIONS.values())}",
        )
    return str(told)


def read_json(model: str, file: Path) -> dict[str, Any]:
    """Read one of the files that describe a model.

    Raises:
        ModelError: it is not there, is too large to be one, or is no JSON object.
    """
    if not file.is_file():
        raise broken(model, f"there is no {file.name} in {file.parent}")
    if (size := file.stat().st_size) > _LARGEST:
        raise broken(model, f"{file.name} has {size / 1e6:.0f} MB, more than a file that describes a model can have")
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise broken(model, f"{file.name} cannot be read ({error})") from error
    if not isinstance(values, dict):
        raise broken(model, f"{file.name} holds no JSON object")
    return values


def broken(model: str, what: str) -> ModelError:
    """Return the error that tells what is wrong with the files of a model."""
    return ModelError(f"the model {model!r} cannot be loaded: {what}", _WHOLE)


def _stored(folder: Path) -> str | None:
    with suppress(OSError, ValueError, StopIteration):
        file = next(iter(sorted(folder.glob("*.safetensors"))))
        with open_tensors(file) as opened:
            stored = (opened.get_slice(key).get_dtype() for key in opened.keys())  # noqa: SIM118
            return next(_PRECISIONS[name] for name in stored if name in _PRECISIONS)
    return None


def _shards(model: str, index: Path) -> list[Path]:
    named = read_json(model, index).get("weight_map")
    if not isinstance(named, dict) or not named or not all(_is_beside(name) for name in named.values()):
        raise broken(model, f"{index.name} names no shards")
    shards = [index.parent / name for name in sorted(set(named.values()))]
    missing = next((shard for shard in shards if not shard.is_file()), None)
    if missing is not None:
        raise broken(model, f"there is no {missing.name} in {index.parent}, which {index.name} names")
    return shards


def _is_beside(name: object) -> bool:
    return isinstance(name, str) and Path(name).name == name
