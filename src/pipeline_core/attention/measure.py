"""The attention stage: chosen test samples and pasted art through the model, reduced to three tables."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline_core.activations.limits import Limits
from pipeline_core.activations.opening import open_sample
from pipeline_core.activations.plan import DatasetTables, Request
from pipeline_core.attention.capture import ATTENDED, SOURCES, Array, SampleAttention, capture
from pipeline_core.attention.quadrants import BLOCK, QUADRANTS, Placed, compare, paste, place, quadrant_shares
from pipeline_core.attention.samples import TASK_TYPES, choose_requests
from pipeline_core.attention.settings import AttentionSettings
from pipeline_core.dataset.images import ImageReader
from pipeline_core.errors import AttentionError
from pipeline_core.models.embedder import AttendingEmbedder, Embedder
from pipeline_core.models.samples import PROMPT, TEXT, SampleInput
from pipeline_core.schema import TABLES
from pipeline_core.schema.parquet import write_table

log = logging.getLogger(__name__)

WORDS = [TEXT, PROMPT]
"""Roles of what the user says in words."""


def measure_attention(
    embedder: Embedder,
    dataset: Path,
    limits: Limits,
    settings: AttentionSettings,
    folder: Path,
    progress: Callable[[int, int], None],
) -> None:
    """Write ``attention_mass``, ``attention_maps`` and ``attention_quadrants`` into ``folder``.

    Where a picture's grid of image tokens cannot be told, it has masses only. Without test queries, or
    from a model that gives no weights, the tables are empty and a warning says why.

    Args:
        embedder: the model, loaded with attention=eager.
        dataset: the dataset artifact.
        limits: what the model refused of it is not chosen.
        settings: how many samples, and the seed of their choice.
        folder: where the tables go.
        progress: called with the number of samples done and of all.

    Raises:
        DataError: a sample cannot be prepared.
        ModelError: some weights are not finite.
    """
    model, whole = embedder.facts.name, DatasetTables.read(dataset)
    tables = replace(whole, queries=limits.embedded(whole.queries))
    chosen = [
        request
        for modality in TASK_TYPES
        for request in choose_requests(tables, modality, settings.samples, settings.seed, "attention")
    ]
    pictures = choose_requests(tables, "image", settings.quadrant_samples, settings.seed, "attention/quadrants")
    placed = place(pictures, settings.seed)
    if not chosen:
        log.warning("%s: no task from picture to text or back has test queries: no attention", model)
    elif not placed:
        log.warning("%s: %d pictures, where quadrants need %d: no quadrants", model, len(pictures), BLOCK)
    try:
        found = _captured(embedder, dataset, chosen, placed, progress)
    except AttentionError as error:
        log.warning("%s: no attention is measured, since %s", model, error)
        chosen, placed, found = [], (), []
    of_chosen, of_placed = found[: len(chosen)], found[len(chosen) :]
    _log_missing_grids(model, chosen, of_chosen)
    write_table(folder, "attention_mass", _mass_table(model, chosen, of_chosen))
    _write_rows(folder, "attention_maps", _map_rows(model, chosen, of_chosen))
    _write_rows(folder, "attention_quadrants", _quadrant_rows(model, placed, of_placed))


def _captured(
    embedder: Embedder,
    dataset: Path,
    chosen: Sequence[Request],
    placed: Sequence[Placed],
    progress: Callable[[int, int], None],
) -> list[SampleAttention]:
    if not isinstance(embedder, AttendingEmbedder):
        raise AttentionError(f"{embedder.facts.name} cannot tell where it attends", "choose a generative model")
    total = len(chosen) + len(placed)
    found: list[SampleAttention] = []

    def look(sample: SampleInput) -> None:
        # One at a time: weights grow with the square of the tokens, and most are long enough to fill a pass.
        found.extend(capture(embedder, [sample]))
        progress(len(found), total)

    with ImageReader(dataset) as reader:
        for request in chosen:
            look(open_sample(reader, request))
        for one in placed:
            look(_pasted(open_sample(reader, one.request), one.quadrant))
    return found


def _pasted(sample: SampleInput, quadrant: str) -> SampleInput:
    assert sample.image is not None, "only pictures are placed"
    return replace(sample, image=paste(sample.image, quadrant), image_key=None)


def _log_missing_grids(model: str, requests: Sequence[Request], found: Sequence[SampleAttention]) -> None:
    missing = sum(request.image_ref is not None and a.grid is None for request, a in zip(requests, found, strict=True))
    if missing:
        log.warning("%s: how image tokens lie over a picture cannot be told for %d samples: no maps", model, missing)


def _mass_table(model: str, requests: Sequence[Request], found: Sequence[SampleAttention]) -> pl.DataFrame | pa.Table:
    if not found:
        return TABLES["attention_mass"].arrow.empty_table()
    sample_ids = np.array([request.sample_id for request in requests])
    prompt_ids = np.array([request.prompt_id for request in requests])
    frames = []
    for n, layer in enumerate(found[0].layers):
        masses = np.stack([attention.masses[n] for attention in found])
        sample, source, head, role = (axis.ravel() for axis in np.indices(masses.shape))
        columns = {
            "sample_id": sample_ids[sample],
            "prompt_id": prompt_ids[sample],
            "head": head,
            "source": np.array(SOURCES)[source],
            "role": np.array(ATTENDED)[role],
            "mass": masses.ravel(),
        }
        frames.append(pl.DataFrame(columns).with_columns(model=pl.lit(model), layer=pl.lit(layer)))
    return pl.concat(frames)


def _map_rows(model: str, requests: Sequence[Request], found: Sequence[SampleAttention]) -> list[dict[str, Any]]:
    return [
        _key(model, request, layer)
        | {
            "source": source,
            "grid_h": attention.grid.height,
            "grid_w": attention.grid.width,
            "region": attention.grid.region,
            "mass": float(weights.sum()),
            "weights": weights / weights.sum(),
        }
        for request, attention in zip(requests, found, strict=True)
        if attention.grid is not None
        for layer, of_layer in zip(attention.layers, attention.image, strict=True)
        for source, weights in zip(SOURCES, of_layer, strict=True)
        if weights.any()
    ]


def _quadrant_rows(model: str, placed: Sequence[Placed], found: Sequence[SampleAttention]) -> list[dict[str, Any]]:
    if not placed:
        return []
    masses, controls = compare(np.stack([_shares(attention) for attention in found]))
    return [
        _key(model, one.request, attention.layers[layer])
        | {
            "source": SOURCES[source],
            "quadrant": one.quadrant,
            "mass": mass,
            "control": of_control[layer, source],
            "art": mass * attention.image[layer, source].sum(),
            "words": attention.masses[layer][source][:, WORDS].sum(axis=-1).mean(),
        }
        for one, attention, of_mass, of_control in zip(placed, found, masses, controls, strict=True)
        for (layer, source), mass in np.ndenumerate(of_mass)
        if not np.isnan(mass)
    ]


def _shares(attention: SampleAttention) -> Array:
    """Return the share of each quadrant [layers, sources, quadrants], NaN without a grid."""
    if attention.grid is None:
        return np.full((len(attention.layers), len(SOURCES), len(QUADRANTS)), np.nan)
    return quadrant_shares(attention.image, attention.grid.height, attention.grid.width)


def _key(model: str, request: Request, layer: int) -> dict[str, Any]:
    return {"model": model, "sample_id": request.sample_id, "prompt_id": request.prompt_id, "layer": layer}


def _write_rows(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    write_table(folder, name, pa.Table.from_pylist(rows, schema=TABLES[name].arrow))
