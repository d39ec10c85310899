"""Low-rank adapters (LoRA, DoRA), merged into the model that they were trained over: W + scale B A, rows rescaled."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightConverter, rename_source_key

from pipeline_core.errors import ModelError
from pipeline_core.models.checkpoint import ADAPTER, broken, check_tensors, read_json

_WEIGHTS, _PICKLED = "adapter_model.safetensors", "adapter_model.bin"
_DOWN, _UP, _LENGTHS = ".lora_A.weight", ".lora_B.weight", ".lora_magnitude_vector"
# What changes more than single matrices by a product of two and lengths of rows, or by another scale.
_BEYOND = (
    "alora_invocation_tokens",
    "alpha_pattern",
    "fan_in_fan_out",
    "layer_replication",
    "lora_bias",
    "modules_to_save",
    "trainable_token_indices",
    "use_qalora",
)


_CHANGED_BASE = ("pissa", "olora", "corda", "loftq")
"""Ways to begin the training that take something out of the base, which the published base still has."""


def merge_adapter(model: Any, name: str, folder: Path) -> None:
    """Add the product of each pair of matrices to the weights they adapt, as float32 (Hu et al. 2021, section 4.1).

    DoRA then gives each row of the sum a length of its own (Liu et al. 2024, equation 5, in rows as peft has it).

    Modules may be called as in any layout of the base's checkpoints that transformers knows.

    Args:
        model: the base model of transformers.
        name: what errors call the adapter.
        folder: of the adapter, as peft saves it.

    Raises:
        ModelError: files are missing, the adapter does more than that, or it does not fit the model.
    """
    told = read_json(name, folder / ADAPTER)
    beyond = [key for key in _BEYOND if told.get(key)] + ["bias"] * (told.get("bias", "none") != "none")
    if str(told.get("init_lora_weights")).startswith(_CHANGED_BASE):
        beyond.append(f"init_lora_weights {told['init_lora_weights']}")
    if told.get("peft_type") != "LORA" or beyond:
        raise _unfit(name, f"it is of the kind {told.get('peft_type')} with {', '.join(beyond) or 'no scale'}")
    tensors = _tensors(name, folder)
    weights, renamed = dict(model.named_parameters()), _renaming(model)
    pairs = {key.removesuffix(_DOWN) for key in tensors if key.endswith(_DOWN)}
    ends = (_DOWN, _UP, _LENGTHS) if told.get("use_dora") else (_DOWN, _UP)
    if set(tensors) != {pair + end for pair in pairs for end in ends} or not pairs:
        raise _unfit(name, "it holds other tensors than pairs of lora_A and lora_B, with lengths in DoRA alone")
    for pair in sorted(pairs):
        weight = weights.get(renamed(f"{pair}.weight"))
        down, up = tensors[pair + _DOWN].float(), tensors[pair + _UP].float()
        if weight is not None and weight.is_meta:
            raise _unfit(name, f"{pair} was left on the disk by placement.device_map")
        if weight is None or (up.shape[0], down.shape[-1]) != weight.shape or up.shape[-1] != down.shape[0]:
            raise _unfit(name, f"{pair} is no matrix of its base, or of another shape")
        rank = down.shape[0]
        scale = told["lora_alpha"] / (math.sqrt(rank) if told.get("use_rslora") else rank)
        device = weight.device
        tuned = weight.data.float() + scale * (up @ down).to(device)
        if _LENGTHS in ends:
            lengths = tensors[pair + _LENGTHS].float().reshape(-1, 1).to(device)
            tuned *= lengths / tuned.norm(dim=1, keepdim=True)
        weight.data = tuned.to(weight.dtype)


def _tensors(name: str, folder: Path) -> Mapping[str, torch.Tensor]:
    if (folder / _WEIGHTS).is_file():
        check_tensors(name, folder / _WEIGHTS)
        tensors = load_file(folder / _WEIGHTS)
    elif (folder / _PICKLED).is_file():
        tensors = torch.load(folder / _PICKLED, map_location="cpu", weights_only=True)
    else:
        raise broken(name, f"there is no {_WEIGHTS} (nor {_PICKLED}) in {folder}")
    ended = {key.replace(f"{_LENGTHS}.weight", _LENGTHS): tensor for key, tensor in tensors.items()}
    return {key.removeprefix("base_model.model."): tensor for key, tensor in ended.items()}


def _renaming(model: Any) -> Callable[[str], str]:
    """Return what tells how the model calls a weight that may be called as in an older checkpoint."""
    known, keys = get_model_conversion_mapping(model), model.state_dict()
    converters = [one for one in known if isinstance(one, WeightConverter)]
    renamings = [one for one in known if not isinstance(one, WeightConverter)]
    return lambda key: str(rename_source_key(key, renamings, converters, model.base_model_prefix, keys)[0])


def _unfit(name: str, why: str) -> ModelError:
    return ModelError(
        f"the adapter {name} cannot be merged into its base model: {why}",
        "merge it with the package peft (merge_and_unload) and save the whole model",
    )
