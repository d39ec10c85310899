"""The attention stage: chosen test samples and pasted art through the model, reduced to three tables."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline_core.activations.extract import sample_input
from pipeline_core.activations.plan import DatasetTables, Item
from pipeline_core.attention.capture import SOURCES, SampleAttention, capture
from pipeline_core.attention.quadrants import Placed, paste, place, quadrant_share
from pipeline_core.attention.samples import TASK_TYPES, choose_items
from pipeline_core.config import AttentionConfig
from pipeline_core.datasets.images import ImageReader
from pipeline_core.errors import DataError
from pipeline_core.models.adapter import ROLES, SampleInput
from pipeline_core.models.generative import GenerativeAdapter
from pipeline_core.parquet import write_table
from pipeline_core.schema import TABLES

log = logging.getLogger(__name__)


def measure_attention(
    adapter: GenerativeAdapter,
    dataset: Path,
    config: AttentionConfig,
    folder: Path,
    progress: Callable[[int, int], None],
) -> None:
    """Write ``attention_mass``, ``attention_maps`` and ``attention_quadrants`` into ``folder``.

    Where a picture's grid of image tokens cannot be told, it has masses only.

    Args:
        adapter: the model, loaded with attention=eager.
        dataset: the dataset artifact.
        config: how many samples, and the seed of their choice.
        folder: where the tables go.
        progress: called with the number of samples done and of all.

    Raises:
        DataError: no test query has a modality that is measured, or a sample cannot be prepared.
        ModelError: the model returns no attention weights, or some that are not finite.
    """
    tables = DatasetTables.read(dataset)
    chosen = [
        item
        for modality in TASK_TYPES
        for item in choose_items(tables, modality, config.samples, config.seed, "attention")
    ]
    if not chosen:
        raise DataError(
            "no task from picture to text or back has test queries, so attention has no samples",
            "give the data set more groups, so that some fall into the test split",
        )
    pictures = choose_items(tables, "image", config.quadrant_samples, config.seed, "attention/quadrants")
    placed = place(pictures, config.seed)
    total = len(chosen) + len(placed)
    found: list[SampleAttention] = []

    def look(sample: SampleInput) -> None:
        # One at a time: weights grow with the square of the tokens, and most are long enough to fill a pass.
        found.extend(capture(adapter, [sample]))
        progress(len(found), total)

    with ImageReader(dataset) as reader:
        for item in chosen:
            look(sample_input(reader, item))
        for one in placed:
            look(_pasted(sample_input(reader, one.item), one.quadrant))
    of_chosen, of_placed = found[: len(chosen)], found[len(chosen) :]
    _log_missing_grids(adapter.name, chosen, of_chosen)
    write_table(folder, "attention_mass", _mass_table(adapter.name, chosen, of_chosen))
    _write_rows(folder, "attention_maps", _map_rows(adapter.name, chosen, of_chosen))
    _write_rows(folder, "attention_quadrants", _quadrant_rows(adapter.name, placed, of_placed))


def _pasted(sample: SampleInput, quadrant: str) -> SampleInput:
    assert sample.image is not None, "only pictures are placed"
    return replace(sample, image=paste(sample.image, quadrant), image_key=None)


def _log_missing_grids(model: str, items: Sequence[Item], found: Sequence[SampleAttention]) -> None:
    missing = sum(item.image_ref is not None and a.grid is None for item, a in zip(items, found, strict=True))
    if missing:
        log.warning("%s: how image tokens lie over a picture cannot be told for %d samples: no maps", model, missing)


def _mass_table(model: str, items: Sequence[Item], found: Sequence[SampleAttention]) -> pl.DataFrame:
    masses = np.stack([attention.masses for attention in found])
    sample, layer, source, head, role = (axis.ravel() for axis in np.indices(masses.shape))
    return pl.DataFrame(
        {
            "sample_id": np.array([item.sample_id for item in items])[sample],
            "prompt_id": np.array([item.prompt_id for item in items])[sample],
            "layer": np.array(found[0].layers)[layer],
            "head": head,
            "source": np.array(SOURCES)[source],
            "role": np.array(ROLES)[role],
            "mass": masses.ravel(),
        }
    ).with_columns(model=pl.lit(model))


def _map_rows(model: str, items: Sequence[Item], found: Sequence[SampleAttention]) -> list[dict[str, Any]]:
    return [
        _key(model, item, layer)
        | {
            "source": source,
            "grid_h": attention.grid.height,
            "grid_w": attention.grid.width,
            "region": attention.grid.region,
            "mass": float(weights.sum()),
            "weights": weights / weights.sum(),
        }
        for item, attention in zip(items, found, strict=True)
        if attention.grid is not None
        for layer, of_layer in zip(attention.layers, attention.image, strict=True)
        for source, weights in zip(SOURCES, of_layer, strict=True)
        if weights.any()
    ]


def _quadrant_rows(model: str, placed: Sequence[Placed], found: Sequence[SampleAttention]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for one, own in zip(placed, found, strict=True):
        other = found[one.control]
        if own.grid is None or other.grid is None:
            continue
        shares = quadrant_share(own.image, own.grid.height, own.grid.width, one.quadrant)
        controls = quadrant_share(other.image, other.grid.height, other.grid.width, one.quadrant)
        rows += [
            _key(model, one.item, layer)
            | {"source": source, "quadrant": one.quadrant, "mass": mass[n], "control": control[n]}
            for layer, mass, control in zip(own.layers, shares, controls, strict=True)
            for n, source in enumerate(SOURCES)
            if not np.isnan([mass[n], control[n]]).any()
        ]
    return rows


def _key(model: str, item: Item, layer: int) -> dict[str, Any]:
    return {"model": model, "sample_id": item.sample_id, "prompt_id": item.prompt_id, "layer": layer}


def _write_rows(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    write_table(folder, name, pa.Table.from_pylist(rows, schema=TABLES[name].arrow))
