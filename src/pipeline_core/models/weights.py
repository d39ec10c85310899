"""A model with the weights of its checkpoint: one that embedding needs and that is not there is told, never random."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig
from transformers.quantizers.auto import AutoHfQuantizer

from pipeline_core.errors import ModelError
from pipeline_core.models.checkpoint import weight_files
from pipeline_core.tensor_files import open_tensors

_SHOWN = 3
_NUMBERS = frozenset({"F64", "F32", "F16", "BF16"})
"""Formats of numbers that are weights by themselves."""
_PLAINER = "name a copy that is not quantised, or as transformers knows it (quantization_config in config.json)"


def load_whole(auto: Any, model: str, place: str, options: Mapping[str, Any]) -> Any:
    """Load a model, and look at what transformers reports of its weights.

    What lies outside of the base model, as the head of a language model does, need not be there: checkpoints saved from
    base classes have none, and embedding never uses it. Nor do the scalars of a dual encoder's loss.

    Args:
        auto: the class of transformers to load with: ``AutoModel``, its like, or that of one model.
        model: what errors call it.
        place: its folder, or its name on the hub.
        options: of ``from_pretrained``.

    Raises:
        ModelError: weights that embedding needs are missing, have other shapes than the config says, are there and the
            config says nothing of them, or are quantised and nothing here knows how.
    """
    common = {name: options[name] for name in ("trust_remote_code", "revision") if name in options}
    config = AutoConfig.from_pretrained(place, **common)
    quantised = getattr(config, "quantization_config", None) or getattr(
        config.get_text_config(decoder=True), "quantization_config", None
    )
    files = weight_files(model, Path(place)) if Path(place).is_dir() else []
    if quantised is None:
        _check_numbers(model, files)
        _check_size(auto, model, config, files, options)
    elif isinstance(quantised, dict) and not AutoHfQuantizer.supports_quant_method(quantised):
        method = quantised.get("quant_method")
        raise ModelError(
            f"the weights of {model} are quantised by {method}, which transformers does not know", _PLAINER
        )
    loaded, report = auto.from_pretrained(place, output_loading_info=True, ignore_mismatched_sizes=True, **options)
    other = [f"{key} {list(has)}" for key, has, _ in sorted(report["mismatched_keys"]) if _is_needed(loaded, key)]
    if other:
        raise ModelError(
            f"{len(other)} of the weights of {model} have shapes that its config does not give: {_some(other)}",
            "use the config.json that they were saved with",
        )
    if quantised is None:  # else scales lie beside the weights that they belong to
        unused = [key for key in sorted(report["unexpected_keys"]) if _has_no_place(loaded, key)]
        if unused:
            raise ModelError(
                f"{len(unused)} of the weights of {model} have no place in what its config describes: {_some(unused)}",
                "use the config.json that they were saved with",
            )
    missing = [key for key in sorted(report["missing_keys"]) if _is_needed(loaded, key)]
    if missing:
        raise ModelError(
            f"the checkpoint of {model} lacks {len(missing)} of the weights that embedding needs: {_some(missing)}",
            "use the whole checkpoint of the class that its config names: they would be random numbers",
        )
    return loaded


def _check_size(auto: Any, model: str, config: Any, files: Sequence[Path], options: Mapping[str, Any]) -> None:
    """Refuse a config of another model before memory is taken for it: what is missing would be made up, however large.

    No number that is not packed together with others takes less than a byte.
    """
    if not files:
        return
    n_bytes = sum(file.stat().st_size for file in files)
    attention = {"attn_implementation": options["attn_implementation"]} if "attn_implementation" in options else {}
    with torch.device("meta"):
        if hasattr(auto, "from_config"):
            described = auto.from_config(config, trust_remote_code=options.get("trust_remote_code"), **attention)
        else:  # a class of its own, not one that chooses
            described = auto._from_config(config, **attention)
    n_weights = sum(weight.numel() for weight in described.parameters())
    if n_weights > n_bytes:
        raise ModelError(
            f"the checkpoint of {model} lacks most of the weights that its config describes: "
            f"{n_weights} in files of {n_bytes} bytes",
            "use the config.json that they were saved with",
        )


def _check_numbers(model: str, files: Sequence[Path]) -> None:
    """Refuse weights that mean nothing without scales, where nothing says that there are any."""
    for file in files:
        if file.suffix != ".safetensors":
            continue
        with open_tensors(file) as opened:
            named = [key for key in opened.keys() if key.endswith("weight")]  # noqa: SIM118
            stored = {key: opened.get_slice(key).get_dtype() for key in named}
        packed = [key for key, kind in sorted(stored.items()) if kind not in _NUMBERS]
        if packed:
            raise ModelError(
                f"{len(packed)} of the weights of {model} are quantised ({stored[packed[0]]}), and its config says not "
                f"how: {_some(packed)}",
                _PLAINER,
            )


def _is_needed(model: Any, key: str) -> bool:
    if model.base_model is not model:
        return key.startswith(f"{model.base_model_prefix}.")
    return "." in key or model.state_dict()[key].numel() > 1


def _has_no_place(model: Any, key: str) -> bool:
    """Whether a weight belongs to a module or a list of layers that the model has, and which has no room for it.

    A bias that the config turns off, or a layer more than it counts, would be left out without a word, and the vectors
    be those of another model. Whole modules that are not there are usual: the head of a tower, layers that guess ahead.
    """
    # Checkpoints of a base class name its weights without the prefix that they have in other classes.
    return any(_is_crowded(model, name) for name in (key, f"{model.base_model_prefix}.{key}"))


def _is_crowded(model: Any, name: str) -> bool:
    *path, weight = name.split(".")
    modules = [model]
    while path and isinstance(inner := getattr(modules[-1], path[0], None), torch.nn.Module):
        modules.append(inner)
        path.pop(0)
    within = modules[1:] if model.base_model is model else modules[2:]  # what lies outside of the base is not used
    in_a_list = any(isinstance(module, torch.nn.ModuleList) for module in within)
    return in_a_list or (bool(within) and not path and weight not in within[-1]._buffers)


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")
