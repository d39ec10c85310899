"""The decoder of any generative model, and its states layer by layer as it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from pipeline_core.errors import ModelError
from pipeline_core.models.adapter import LayerVisitor

_NORM_NAMES = ("norm", "final_layernorm", "final_layer_norm", "ln_f", "norm_f")


@dataclass(frozen=True)
class Decoder:
    """The layers of a language model, in order, and the norm that follows the last."""

    layers: nn.ModuleList
    norm: nn.Module


def find_decoder(model: Any, n_layers: int) -> Decoder:
    """Find the language model's layers and final norm by their structure and names.

    Args:
        model: a transformers model.
        n_layers: how many layers its text config announces.

    Raises:
        ModelError: no list of that many layers with a final norm beside it was found.
    """
    decoder: nn.Module = model.get_decoder()
    for name, module in decoder.named_modules():
        if not isinstance(module, nn.ModuleList) or len(module) != n_layers:
            continue
        parent = decoder.get_submodule(name.rpartition(".")[0])
        for norm_name in _NORM_NAMES:
            norm = getattr(parent, norm_name, None)
            if isinstance(norm, nn.Module):
                return Decoder(module, norm)
    raise ModelError(
        f"{type(model).__name__} has no list of {n_layers} decoder layers with a final norm beside it",
        f"the norm must be called one of: {', '.join(_NORM_NAMES)}",
    )


@contextmanager
def visiting(decoder: Decoder, visit: LayerVisitor) -> Iterator[None]:
    """Call ``visit`` with the states of every layer while the model runs inside the context.

    ``hidden_states[-1]`` of a transformers model is before the final norm in some models and after it in others, so
    states are taken from the modules themselves: layer 0 enters the first decoder layer, layer l < L leaves the l-th,
    and layer L is what the final norm returns.
    """

    def entering(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        visit(0, args[0] if args else kwargs["hidden_states"])

    def leaving(layer: int) -> Any:
        def hook(_: nn.Module, __: tuple[Any, ...], output: Any) -> None:
            visit(layer, output if isinstance(output, torch.Tensor) else output[0])

        return hook

    last = len(decoder.layers)
    handles = [decoder.layers[0].register_forward_pre_hook(entering, with_kwargs=True)]
    handles += [
        layer.register_forward_hook(leaving(number)) for number, layer in enumerate(decoder.layers[:-1], start=1)
    ]
    handles.append(decoder.norm.register_forward_hook(leaving(last)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
