"""The devices of this machine, and whether the one that is asked for is among them."""

from pipeline_core.errors import ConfigError


def devices_here() -> tuple[str, ...]:
    """Return what torch finds on this machine: cpu, and each accelerator by its number."""
    import torch  # noqa: PLC0415 - a cached run, and one on the processor, are planned without it

    found = torch.accelerator.current_accelerator(check_available=True)
    if found is None:
        return ("cpu",)
    return ("cpu", *(f"{found.type}:{number}" for number in range(torch.accelerator.device_count())))


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
            "choose one of these, or install the build of torch for the device (README, Installing)",
        )
