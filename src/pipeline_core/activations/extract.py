"""The hooked pass over a data set: shard by shard, resumable at any moment, each picture looked at once a shard."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from pipeline_core.activations.embed import Embed, contrastive_embedding, embed_halving, generative_embedding
from pipeline_core.activations.plan import DatasetTables, Item, plan_extraction
from pipeline_core.activations.representations import (
    analysis_layer,
    contrastive_rep_id,
    contrastive_table,
    generative_representations,
    generative_table,
)
from pipeline_core.activations.shards import is_written, join, write_shard
from pipeline_core.config import ExtractionConfig, ModelConfig
from pipeline_core.dataset.images import ImageReader
from pipeline_core.errors import DataError
from pipeline_core.models.adapter import SampleInput
from pipeline_core.models.contrastive import ContrastiveAdapter
from pipeline_core.schema.parquet import write_table
from pipeline_core.threads import limited_threads

if TYPE_CHECKING:
    from pipeline_core.models.registry import ModelAdapter


def extract(
    adapter: "ModelAdapter",
    dataset_folder: Path,
    config: ExtractionConfig,
    model: ModelConfig,
    folder: Path,
    progress: Callable[[int, int], None],
) -> None:
    """Embed a data set: write ``representations``, ``embeddings`` and ``tokens`` into ``folder``.

    Shards that an earlier, interrupted call wrote are kept; the result is the same as without interruption.

    Args:
        adapter: the loaded model.
        dataset_folder: the dataset artifact.
        config: layer, pooling, shards and threads.
        model: the model's config, whose name names its representations.
        folder: where the tables go.
        progress: called with the number of items done and of all.

    Raises:
        ConfigError: the model has no such layer.
        DataError: a sample's picture cannot be read, or its text not be prepared.
        ModelError: the model gives values that are not finite, or a sample does not fit the memory.
    """
    tables = DatasetTables.read(dataset_folder)
    representations, embed = _embedding(adapter, config, model.name)
    shards = plan_extraction(tables, isinstance(adapter, ContrastiveAdapter), config.shard_size, config.batch_size)
    write_table(folder, "representations", representations)
    total = sum(len(shard.items) for shard in shards)
    done = 0
    with limited_threads(config.threads), ImageReader(dataset_folder) as reader:
        for shard in shards:
            if is_written(folder, shard, representations.height):
                done += len(shard.items)
                progress(done, total)
                continue
            parts = []
            with adapter.remembering_pictures():
                for batch in shard.batches:
                    parts += embed_halving(embed, batch, _inputs(reader, batch))
                    done += len(batch)
                    progress(done, total)
            write_shard(folder, shard.number, join(parts))


def _embedding(adapter: "ModelAdapter", config: ExtractionConfig, model: str) -> tuple[pl.DataFrame, Embed]:
    """Return the table of representations and what computes them."""
    if isinstance(adapter, ContrastiveAdapter):
        return contrastive_table(model), contrastive_embedding(adapter, contrastive_rep_id(model))
    layer = analysis_layer(config, model, adapter.n_layers)
    representations = generative_representations(model, adapter.n_layers, layer)
    table = generative_table(representations, model, adapter.n_layers, layer, adapter.attention_kind)
    return table, generative_embedding(adapter, representations, layer, config.token_roles)


def _inputs(reader: ImageReader, items: Sequence[Item]) -> list[SampleInput]:
    return [sample_input(reader, item) for item in items]


def sample_input(reader: ImageReader, item: Item) -> SampleInput:
    """Return what a model is given of an item, its picture opened.

    Raises:
        DataError: the picture cannot be read.
    """
    try:
        image = None if item.image_ref is None else reader.open(item.image_ref)
    except DataError as error:
        raise DataError(f"sample {item.sample_id}: {error.problem}", error.remedy) from None
    return SampleInput(item.sample_id, item.prompt_id, image, item.text, item.instruction, item.image_key)
