"""How a run is carried out: what is recorded in manifests, decides no result, and is part of no key."""

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from pipeline_core.memory import total_memory
from pipeline_core.settings import Count, Section

DeviceMap = Literal["auto"] | dict[str, str] | None
"""Where the parts of a model go: as fits, or each module by its name; None: the whole of it onto one device."""


class Placement(Section):
    """Where and in which portions the work is done."""

    runner: Literal["prefect", "inline"] = Field(
        "prefect", description="prefect: tasks in Prefect, with the UI; inline: in this process, without a server."
    )
    device: str = Field("cpu", description="cpu, cuda, cuda:1, mps; its kind, not its number, is part of the keys.")
    device_map: DeviceMap = Field(
        None,
        description="auto: a model larger than a device is spread over all of its kind, then memory, then disk; or a "
        "device, cpu or disk for each module.",
    )
    threads: Count = Field(2, description="Threads of a step's arithmetic.")
    memory: float | None = Field(
        None,
        gt=0.0,
        description="GiB that a step may hold of vectors and what is made of them: what finds no room is read from the "
        "disk. By default half of what the machine, or its container, has.",
    )
    workers: Count = Field(1, description="Steps at a time; each takes its own threads.")
    batch_size: Count = Field(16, description="Samples a forward pass; halved when memory runs out.")
    shard_size: Count = Field(512, description="Samples a shard of the extraction: what a kill can lose.")
    checkpoint_steps: Count = Field(10, description="Training steps between checkpoints: what a kill can lose.")

    @field_validator("device")
    @classmethod
    def _is_a_device(cls, device: str) -> str:
        """Refuse a slip now; whether this machine has the device is looked at before a model runs on it."""
        if not re.fullmatch(r"cpu|mps|(cuda|xpu)(:\d+)?", device):
            raise ValueError(f"there is no device {device!r}; give cpu, mps, cuda, xpu, or one of several as cuda:1")
        return device

    @model_validator(mode="after")
    def _spreads_over_its_kind(self) -> "Placement":
        if self.device_map is not None and self.device != self.device_kind:
            raise ValueError(f"device_map spreads a model over all devices: give device {self.device_kind}")
        if isinstance(self.device_map, dict):
            others = {place.partition(":")[0] for place in self.device_map.values()} - {self.device_kind, "cpu", "disk"}
            if others:
                raise ValueError(f"device_map names {', '.join(sorted(others))}, and device is {self.device_kind}")
        return self

    @property
    def memory_bytes(self) -> int:
        """Bytes that a step may hold."""
        return total_memory() // 2 if self.memory is None else int(self.memory * 2**30)

    @property
    def device_kind(self) -> str:
        """The kind of device, which results may depend on: cuda of cuda:1."""
        return self.device.partition(":")[0]

    @property
    def training_device(self) -> str:
        """Where autoencoders train: on the device if it is a CUDA one, else on the CPU."""
        return self.device if self.device_kind == "cuda" else "cpu"
