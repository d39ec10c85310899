"""The devices of this machine: whether one that is asked for is there, and how a model is spread over several."""

from collections import Counter
from errno import ENOMEM
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline_core.errors import ConfigError
from pipeline_core.memory import available_memory
from pipeline_core.placement import DeviceMap

if TYPE_CHECKING:
    import torch

_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED", "OUT_OF_DEVICE_MEMORY")
"""What torch says when the memory of a processor, or of a device without an error of its own, runs out."""


def devices_here() -> tuple[str, ...]:
    """Return what torch finds on this machine: cpu, and each accelerator by its number."""
    import torch  # noqa: PLC0415 - a cached run, and one on the processor, are planned without it

    found = torch.accelerator.current_accelerator(check_available=True)
    if found is None:
        return ("cpu",)
    return ("cpu", *(f"{found.type}:{number}" for number in range(torch.accelerator.device_count())))


def is_memory_full(error: Exception) -> bool:
    """Say whether an error tells that the memory of this machine, or of a device, ran out."""
    import torch  # noqa: PLC0415

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == ENOMEM
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)


def check_device(device: str) -> None:
    """Look whether this machine has a device, e.g. ``cuda`` or ``cuda:1``, before anything is loaded for it.

    Raises:
        ConfigError: it has not.
    """
    if device == "cpu":
        return
    here = devices_here()
    if device not in {name for one in here for name in (one, one.partition(":")[0])}:
        raise ConfigError(
            f"placement.device is {device}, and this machine has {', '.join(here)}",
            "choose one of these (lens search --device), or install torch's build for the device (README, Installing)",
        )


def loading_options(device: str, device_map: DeviceMap, offloaded: Path) -> dict[str, Any]:
    """Return what has transformers bring the parts of a model to their devices as it loads them.

    Args:
        device: the kind of device that the parts are spread over.
        device_map: as in ``Placement``; None: none of its options.
        offloaded: folder for weights that are left on the disk and cannot be read from where they are.
    """
    if device_map is None:
        return {}
    options: dict[str, Any] = {"device_map": device_map, "offload_folder": str(offloaded)}
    if device_map == "auto" and device == "cpu":
        # Else it would go to accelerators first, which are another kind of device in keys.
        options["max_memory"] = {"cpu": available_memory()}
    return options


def spread(model: Any) -> str:
    """Say over which devices a model is spread: with hooks that bring to each part what it needs, or none."""
    parts = Counter(str(place) for place in getattr(model, "hf_device_map", {}).values())
    return ", ".join(f"{place} ({count} parts)" for place, count in parts.items())


def brought(value: "torch.Tensor", device: "torch.device", dtype: "torch.dtype") -> "torch.Tensor":
    """Return a tensor on a device, numbers with a fraction in a precision.

    A CUDA device copies by itself, from pages that stay where they are, while the next copy is prepared.
    """
    value = value.pin_memory() if device.type == "cuda" else value
    return value.to(device, dtype if value.is_floating_point() else value.dtype, non_blocking=True)


def input_device(module: Any) -> "torch.device":
    """Return where a module takes its inputs: where it is, or, if its weights lie elsewhere, where it runs."""
    import torch  # noqa: PLC0415

    places = (getattr(getattr(part, "_hf_hook", None), "execution_device", None) for part in module.modules())
    runs = next((place for place in places if place is not None), None)
    found: torch.device = next(module.parameters()).device if runs is None else torch.device(runs)
    return found
