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

    runner: Literal["prefect", "inline", "ray"] = Field(
        "prefect",
        description="prefect: tasks in Prefect, with the UI; inline: in this process, without a server; ray: tasks in "
        "Prefect, on a Ray cluster.",
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
        "disk. By default half of what the machine, or its container, has, shared by the workers.",
    )
    workers: Count = Field(
        1,
        description="Steps at a time, or parts of one: shards of extraction and codes, tasks of retrieval. Each takes "
        "its own threads, memory and copy of the model. With ray: tasks at a time, and processes of a local cluster.",
    )
    ray_address: str | None = Field(
        None,
        min_length=1,
        description="Ray cluster of the runner ray: ray://HOST:10001, HOST:6379, auto. By default one is started here.",
    )
    num_cpus: float | None = Field(
        None,
        gt=0.0,
        description="CPUs that a task asks a Ray cluster for; by default as many as it has threads and input "
        "processes.",
    )
    num_gpus: float | None = Field(
        None,
        ge=0.0,
        description="GPUs that a task asks a Ray cluster for where a model runs or trains or scores are made, 0.5 "
        "for two on one; by default one, none on a cpu.",
    )
    batch_size: Count = Field(16, description="Samples that are prepared together; halved when memory runs out.")
    batch_tokens: Count = Field(
        8192, description="Tokens a forward pass, padding among them, of so many samples; a longer sample goes alone."
    )
    input_processes: int | None = Field(
        None,
        ge=0,
        description="Processes that decode pictures and prepare inputs ahead of the device. By default none on a cpu, "
        "where a thread decodes pictures; else one less than the cores of each worker, 8 at most.",
    )
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
    def _leaves_the_device_to_ray(self) -> "Placement":
        if self.runner == "ray" and self.device != self.device_kind:
            raise ValueError(f"Ray chooses the device of each task: give device {self.device_kind}")
        return self

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
        """Bytes that a step, or a part of one, may hold; by default workers share half of this machine's.

        How many of a cluster's workers are on a machine is not known: there each is taken to have it for itself.
        """
        if self.memory is not None:
            return int(self.memory * 2**30)
        return total_memory() // (2 if self.ray_address is not None else 2 * self.workers)

    @property
    def task_cpus(self) -> float:
        """CPUs that a task asks a cluster for."""
        return float(self.threads + (self.input_processes or 0)) if self.num_cpus is None else self.num_cpus

    @property
    def task_gpus(self) -> float:
        """GPUs that a task which computes on the device asks a cluster for."""
        return float(self.device_kind != "cpu") if self.num_gpus is None else self.num_gpus

    @property
    def device_kind(self) -> str:
        """The kind of device, which results may depend on: cuda of cuda:1."""
        return self.device.partition(":")[0]

    @property
    def training_device(self) -> str:
        """Where autoencoders train: on the device if it is a CUDA one, else on the CPU."""
        return self.device if self.device_kind == "cuda" else "cpu"
