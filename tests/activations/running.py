"""An extraction as the stage carries it out: its shards one after the other, those that are there left as they are."""

from collections.abc import Callable
from pathlib import Path

from pipeline_core.activations.extract import build_shard, plan_shards
from pipeline_core.activations.processes import InputProcesses
from pipeline_core.activations.refusals import Refusal
from pipeline_core.activations.settings import ActivationsSettings, RepresentationSettings
from pipeline_core.activations.shards import is_written, seal_shards
from pipeline_core.models.embedder import Embedder
from pipeline_core.threads import limited_threads

SETTINGS = ActivationsSettings()
ANALYSED = RepresentationSettings(pooling="max", mask="content")
SHARD_SIZE = 24


def silent(done: int, total: int) -> None:
    """Take progress and say nothing."""


def run(
    embedder: Embedder,
    dataset: Path,
    folder: Path,
    progress: Callable[[int, int], None] = silent,
    settings: ActivationsSettings = SETTINGS,
    shard_size: int = SHARD_SIZE,
    processes: InputProcesses | None = None,
) -> list[Refusal]:
    """Extract, seal, and return what the model refused."""
    sizes = {"batch_size": 5, "shard_size": shard_size}
    shards = plan_shards(dataset, embedder.facts.prompts, **sizes, training_alone=settings.store == "training")
    done, total = 0, sum(len(shard.requests) for shard in shards)
    refusals: list[Refusal] = []

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    with limited_threads(1):
        for shard in shards:
            if is_written(folder, shard):
                advance(len(shard.requests))
            else:
                refusals += build_shard(embedder, dataset, settings, shard, folder, advance, ANALYSED, processes)
    seal_shards(folder, shards)
    return refusals


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file below a folder."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}
