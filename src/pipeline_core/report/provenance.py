"""How the results of a report came to be: when, of which data, on what, by which versions, with which config."""

from dataclasses import dataclass

import yaml

from pipeline_core.report.inputs import ReportInputs, UsedArtifact
from pipeline_core.store.fingerprint import SHORT
from pipeline_core.store.manifest import MANIFEST, Manifest, read_artifact


@dataclass(frozen=True)
class Provenance:
    """What manifests say of a report's artifacts.

    Attributes:
        told: when they were made, of what, on what.
        versions: of libraries.
        config: every section that decided them, as YAML.
        runs: the question that names the runs which used them.
    """

    told: str
    versions: str
    config: str
    runs: str


def provenance(inputs: ReportInputs) -> Provenance | None:
    """Read the manifests of the analysis; None where its parts were never published.

    Raises:
        StoreError: a manifest cannot be read.
    """
    published = (used for used in inputs.artifacts if used.repetition == 0 and (used.folder / MANIFEST).is_file())
    found = {_named(used): read_artifact(used.folder).manifest for used in published}
    if not found:
        return None
    first, last = (pick(one.created for one in found.values()) for pick in (min, max))
    days = f"{first:%Y-%m-%d %H:%M}" + (f" to {last:%Y-%m-%d %H:%M}" if last > first else "")
    places = ", ".join(dict.fromkeys(place for one in found.values() if (place := _place(one))))
    source = next((f" ({one.source})" for one in found.values() if one.stage == "dataset" and one.source), "")
    *_, newest = found.values()
    return Provenance(
        f"Made {days} UTC{f' on {places}' if places else ''}, of {inputs.data_set}{source}.",
        ", ".join(f"{name} {version}" for name, version in newest.libraries.items()),
        yaml.safe_dump({name: one.config for name, one in found.items()}, sort_keys=False, allow_unicode=True),
        f"select distinct run_id from run_artifacts where artifact = '{newest.fingerprint[:SHORT]}'",  # noqa: S608
    )


def _named(used: UsedArtifact) -> str:
    """Name an artifact as runs do."""
    of = used.sae_id or used.model
    return f"{used.stage}/{of}" if of else used.stage


def _place(manifest: Manifest) -> str:
    """Name the device and the threads that a build had, where it is told."""
    device, threads = (manifest.placement.get(name) for name in ("device", "threads"))
    return f"{device} with {threads} thread{'' if threads == 1 else 's'}" if device and threads else str(device or "")
