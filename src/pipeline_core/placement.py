"""How a run is carried out: what is recorded in manifests, decides no result, and is part of no key."""

import re
from typing import Literal

from pydantic import Field, field_validator

from pipeline_core.settings import Count, Section


class Placement(Section):
    """Where and in which portions the work is done."""

    runner: Literal["prefect", "inline"] = Field(
        "prefect", description="prefect: tasks in Prefect, with the UI; inline: in this process, without a server."
    )
    device: str = Field("cpu", description="cpu, cuda, cuda:1, mps; its kind, not its number, is part of the keys.")
    threads: Count = Field(2, description="Threads of a step's arithmetic.")
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

    @property
    def device_kind(self) -> str:
        """The kind of device, which results may depend on: cuda of cuda:1."""
        return self.device.partition(":")[0]
