"""The decoder of any generative model, and its states and attention weights layer by layer as it runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from pipeline_core.errors import LensError, ModelError, reason_of
from pipeline_core.models.devices import is_memory_full
from pipeline_core.models.facts import lacking

_NORM_NAMES = ("norm", "final_layernorm", "final_layer_norm", "ln_f", "norm_f")

LayerVisitor = Callable[[int, torch.Tensor], None]
"""Receives a layer's number and its states [batch, tokens, width], padded on the right, in the model's dtype.

Layer 0 is the embedding layer; the last is after the final norm, if the decoder is normed.
"""

AttentionVisitor = Callable[[int, torch.Tensor], None]
"""Receives a layer's number, from 1, and its attention weights [batch, heads, tokens, tokens], in the model's dtype.

Row q of a head holds what the q-th token attends to. Rows and columns are padded on the right.
"""


@dataclass(frozen=True)
class Decoder:
    """The layers of a language model, in order, and the norm that follows the last.

    ``normed``: the states of the last layer are those after that norm.
    """

    layers: nn.ModuleList
    norm: nn.Module
    normed: bool = True


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
def running(model: str) -> Iterator[None]:
    """Tell in one line whatever a model's own code raises as it runs; a memory or a file is no fault of its.

    Raises:
        ModelError: its code does not take what its processor makes.
    """
    try:
        yield
    except (LensError, MemoryError):
        raise
    except Exception as error:  # the code is anybody's, and so is what it raises of a config that is not its own
        of_a_file = isinstance(error, OSError) and error.errno is not None  # others are words that a library chose
        if of_a_file or is_memory_full(error):
            raise
        raise ModelError(
            f"{model} does not take what its processor makes ({reason_of(error)})",
            lacking(error)
            or "use config.json and the settings of its processor as they were published together, or another model",
        ) from error


@contextmanager
def visiting(decoder: Decoder, visit: LayerVisitor) -> Iterator[None]:
    """Call ``visit`` with the states of every layer while the model runs inside the context.

    ``hidden_states[-1]`` of a transformers model is before the final norm in some models and after it in others, so
    states are taken from the modules themselves: layer 0 enters the first decoder layer, layer l < L leaves the l-th,
    and layer L is what the final norm returns, or what enters it where the decoder is not ``normed``.
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
    end = decoder.norm if decoder.normed else decoder.layers[-1]
    handles.append(end.register_forward_hook(leaving(last)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def attending(decoder: Decoder, visit: AttentionVisitor) -> Iterator[None]:
    """Call ``visit`` with the attention weights of every layer that has some, while the model runs inside the context.

    They are known by their shape among what the parts of a layer return, whatever the model calls its attention.
    Asking the model for all of them at its end would hold every layer's at once.
    """

    def leaving(layer: int) -> Any:
        def hook(_: nn.Module, __: tuple[Any, ...], output: Any) -> None:
            weights = _weights(output)
            if weights is not None:
                visit(layer, weights)

        return hook

    handles = [
        part.register_forward_hook(leaving(number))
        for number, layer in enumerate(decoder.layers, start=1)
        for part in layer.children()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _weights(output: Any) -> torch.Tensor | None:
    """Return the square weights [batch, heads, tokens, tokens] that follow states [batch, tokens, width], if any."""
    if not isinstance(output, tuple):
        return None
    tensors = [value for value in output if isinstance(value, torch.Tensor)]
    return next((v for v in tensors[1:] if v.ndim == 4 and v.shape[2:] == 2 * tensors[0].shape[1:2]), None)
