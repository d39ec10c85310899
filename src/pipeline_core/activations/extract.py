"""The hooked pass over a data set: shard by shard, resumable at any moment, each picture looked at once a shard.

Shards are partitions: each is built into files of its own, without a lock, by whoever comes to it; the last step seals
them all.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from pipeline_core.activations.embed import embed_batches
from pipeline_core.activations.plan import DatasetTables, Shard, plan_extraction
from pipeline_core.activations.refusals import Refusal
from pipeline_core.activations.settings import TRAINING, ActivationsSettings, RepresentationSettings
from pipeline_core.activations.shards import join, write_shard
from pipeline_core.dataset.images import ImageReader
from pipeline_core.models.embedder import Embedded, Embedder
from pipeline_core.models.representations import Representation, chosen_representation

if TYPE_CHECKING:
    from pipeline_core.activations.processes import InputProcesses

OF_TRAINING = RepresentationSettings(pooling="mean")
"""The representation that is kept of data that only train autoencoders: they know the layer by it."""


def plan_shards(
    dataset: Path, prompts: bool, *, batch_size: int, shard_size: int, training_alone: bool = False
) -> tuple[Shard, ...]:
    """Return the partitions of an extraction, which no model need be loaded for.

    Args:
        dataset: folder of the dataset artifact.
        prompts: the model follows instructions.
        batch_size: most samples a pass.
        shard_size: samples a shard.
        training_alone: the data train autoencoders, and are not searched.

    Raises:
        DataError: a training sample's modality occurs in no task.
    """
    return plan_extraction(DatasetTables.read(dataset), prompts, shard_size, batch_size, training_alone)


def build_shard(
    embedder: Embedder,
    dataset: Path,
    settings: ActivationsSettings,
    shard: Shard,
    folder: Path,
    advance: Callable[[int], None],
    analysed: RepresentationSettings = OF_TRAINING,
    processes: "InputProcesses | None" = None,
) -> list[Refusal]:
    """Write one shard; several may be built at once, and ``seal_shards`` ends them.

    Args:
        embedder: the loaded model.
        dataset: folder of the dataset artifact.
        settings: the layer that is analysed, and which tokens are kept.
        shard: one of ``plan_shards``.
        folder: where the files of all shards go.
        advance: called with the number of requests that were done since it was last called.
        analysed: the representation that is kept where the settings keep one.
        processes: they decode pictures and prepare what the model takes; None: this one does.

    Returns:
        The samples that the model refused: their pictures cannot be decoded, its processor does not take them, or they
        do not fit the memory. The shard holds the others.

    Raises:
        ConfigError: the model has no such layer.
        DataError: a picture is gone.
        ModelError: the model gives values that are not finite, or that the stored precision cannot hold.
    """
    representations = kept_representations(embedder.representations(settings.layer), settings, analysed)
    parts: list[Embedded] = []
    refusals: list[Refusal] = []
    with ImageReader(dataset) as reader, embedder.remembering_pictures():
        reader.expect(request.image_ref for request in shard.requests if request.image_ref)
        given = representations, settings.token_roles, refusals, processes
        with closing(embed_batches(embedder, reader, shard.batches, *given)) as embedded:
            for batch, of_batch in zip(shard.batches, embedded, strict=True):
                parts += of_batch
                advance(len(batch))
    of_model = {"model": embedder.facts.name, "attention": embedder.facts.attention}
    rows = [of_model | asdict(rep) for rep in representations]
    write_shard(folder, shard, pl.DataFrame(rows), join(parts), refusals, halve=settings.precision == "float16")
    return refusals


def kept_representations(
    known: Sequence[Representation], settings: ActivationsSettings, analysed: RepresentationSettings
) -> Sequence[Representation]:
    """Return those of a model's representations that the settings keep."""
    if settings.store == "all":
        return known
    kept = OF_TRAINING if settings.store == TRAINING else analysed
    return [chosen_representation(known, kept.pooling, kept.mask)]
