"""Shards of embeddings and token states: files whole or absent, the embeddings last, so that they seal a shard."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_core.activations.plan import Request, Shard
from pipeline_core.activations.refusals import Refusal
from pipeline_core.errors import ModelError, StoreError
from pipeline_core.models.embedder import Embedded, TokenStates
from pipeline_core.models.limits import LongText
from pipeline_core.models.samples import ROLES
from pipeline_core.schema import TABLES
from pipeline_core.schema.parquet import write_table
from pipeline_core.store.durable import clear_unfinished, whole_files

_HALF_LIMIT = 3e4
_SHARDED = ("embeddings", "refused", "long_texts", "tokens")
"""The tables of a shard; the first is put in its place last."""


def join(parts: Sequence[Embedded]) -> Embedded:
    """Return what was made of several batches as one; their representations are the same."""
    if not parts:
        return Embedded(np.empty((0, 0, 0), np.float32), np.empty((0, 0), np.int32), ())
    starts = np.cumsum([0, *(part.vectors.shape[1] for part in parts)])
    return Embedded(
        vectors=np.concatenate([part.vectors for part in parts], axis=1),
        n_tokens=np.concatenate([part.n_tokens for part in parts], axis=1),
        tokens=tuple(
            replace(kept, row=int(start) + kept.row)
            for start, part in zip(starts[:-1], parts, strict=True)
            for kept in part.tokens
        ),
        long=tuple(
            replace(text, row=int(start) + text.row)
            for start, part in zip(starts[:-1], parts, strict=True)
            for text in part.long
        ),
    )


def is_written(folder: Path, shard: Shard) -> bool:
    """Say whether a shard's files are there and can be read, with an embedding or a refusal for each request."""
    embeddings, refused, *others = (_file(folder, table, shard.number) for table in _SHARDED)
    try:
        n_representations = pq.read_metadata(folder / "representations.parquet").num_rows
        for file in others:
            pq.read_metadata(file)
        found = _keys(embeddings) + _keys(refused) * n_representations
    except (OSError, pa.ArrowInvalid):
        return False
    # Another size of shards puts other requests under the same number.
    asked = [(request.sample_id, request.prompt_id) for request in shard.requests]
    return sorted(found) == sorted(asked * n_representations)


def _keys(file: Path) -> list[tuple[str, str]]:
    written = pq.read_table(file, columns=["sample_id", "prompt_id"])
    return list(zip(*(written.column(name).to_pylist() for name in ("sample_id", "prompt_id")), strict=True))


def write_shard(
    folder: Path,
    shard: Shard,
    representations: pl.DataFrame,
    embedded: Embedded,
    refusals: Sequence[Refusal],
    halve: bool = False,
) -> None:
    """Write one shard, whole files one by one, the embeddings last.

    Every shard writes the table of representations, which is the same for all, so that none waits for another.

    Args:
        folder: the artifact's folder.
        shard: which requests were embedded, in their order.
        representations: the table ``representations``.
        embedded: what the model made of the requests, but of the refused ones.
        refusals: those.
        halve: whether embeddings are kept in half precision.

    Raises:
        ModelError: half precision cannot hold them.
    """
    left_out = {(refusal.sample_id, refusal.prompt_id) for refusal in refusals}
    requests = [request for request in shard.requests if (request.sample_id, request.prompt_id) not in left_out]
    model, rep_ids = representations["model"][0], representations["rep_id"].to_list()
    vectors = halved(embedded.vectors, model) if halve else embedded.vectors
    long = [_long_row(model, requests[text.row], text) for text in embedded.long]
    with whole_files(folder, f"{shard.number:05d}", str(_file(Path(), _SHARDED[0], shard.number))) as work:
        write_table(work, "representations", representations)
        write_table(work, "embeddings", _embedding_table(requests, rep_ids, embedded.n_tokens, vectors), shard.number)
        write_table(work, "tokens", _token_table(requests, embedded.tokens), shard.number)
        _write_rows(work, "long_texts", long, shard.number)
        _write_rows(work, "refused", [{"model": model, **asdict(refusal)} for refusal in refusals], shard.number)


def seal_shards(folder: Path, shards: Sequence[Shard]) -> None:
    """See that every shard is written, and remove what writing them left, or a build with other shards.

    Raises:
        StoreError: one is missing.
    """
    missing = [shard.number for shard in shards if not is_written(folder, shard)]
    if missing:
        raise StoreError(f"shard {missing[0]} of {folder} is not written", "run the activations stage again")
    planned = {_file(folder, table, shard.number) for table in _SHARDED for shard in shards}
    for table in _SHARDED:
        for file in set((folder / table).glob("*.parquet")) - planned:
            file.unlink()
    clear_unfinished(folder)


def half_scale(largest: float) -> float:
    """Return the smallest power of two, at least 1, that brings ``largest`` down to 3e4 or less.

    float16 ends at 65,504, and models that were trained in bfloat16 have states beyond it.
    """
    return float(2.0 ** max(0, np.ceil(np.log2(largest / _HALF_LIMIT)))) if largest > _HALF_LIMIT else 1.0


def halved(vectors: npt.NDArray[np.floating], model: str) -> npt.NDArray[np.float16]:
    """Return vectors in half precision.

    Raises:
        ModelError: numbers of them are beyond it.
    """
    with np.errstate(over="ignore"):
        found = vectors.astype(np.float16)
    if not np.isfinite(found).all():
        raise ModelError(
            f"embeddings of {model} exceed float16's largest value, {np.finfo(np.float16).max:g}",
            "set activations.precision=float32",
        )
    return found


def _write_rows(folder: Path, table: str, rows: list[dict[str, Any]], number: int) -> None:
    write_table(folder, table, pa.Table.from_pylist(rows, schema=TABLES[table].arrow), number)


def _long_row(model: str, request: Request, text: LongText) -> dict[str, Any]:
    key = {"model": model, "sample_id": request.sample_id, "prompt_id": request.prompt_id}
    return key | {"n_tokens": text.n_tokens, "n_kept": text.n_kept, "kept": text.kept}


def _file(folder: Path, table: str, number: int) -> Path:
    return folder / table / f"{number:05d}.parquet"


def _embedding_table(
    requests: Sequence[Request],
    rep_ids: Sequence[str],
    n_tokens: npt.NDArray[np.int32],
    vectors: npt.NDArray[np.floating],
) -> pa.Table:
    r, n, width = vectors.shape
    return pa.table(
        {
            "rep_id": np.repeat(np.array(rep_ids, dtype=object), n),
            "sample_id": [request.sample_id for request in requests] * r,
            "prompt_id": [request.prompt_id for request in requests] * r,
            "n_tokens": n_tokens.reshape(-1),
            "vector": _lists(vectors.reshape(r * n, width)),
        }
    )


def _token_table(requests: Sequence[Request], tokens: Sequence[TokenStates]) -> pa.Table:
    counts = [len(kept.roles) for kept in tokens]
    states = np.concatenate([kept.states for kept in tokens] or [np.empty((0, 1), np.float32)])
    scale = half_scale(float(np.abs(states).max(initial=0.0)))
    return pa.table(
        {
            "sample_id": _repeat([requests[kept.row].sample_id for kept in tokens], counts),
            "prompt_id": _repeat([requests[kept.row].prompt_id for kept in tokens], counts),
            "token_index": pa.array(_joined([kept.positions for kept in tokens]), pa.int32()),
            "token_role": pa.array(np.array(ROLES, dtype=object)[_joined([kept.roles for kept in tokens])]),
            "vector": _lists((states / scale).astype(np.float16)),
            "scale": np.full(len(states), scale, dtype=np.float32),
        }
    )


def _repeat(values: list[str], counts: list[int]) -> pa.Array:
    return pa.array(np.repeat(np.array(values, dtype=object), counts), pa.string())


def _joined(arrays: Sequence[npt.NDArray[np.integer]]) -> npt.NDArray[np.integer]:
    return np.concatenate([*arrays, np.empty(0, arrays[0].dtype if arrays else np.int32)])


def _lists(matrix: npt.NDArray[np.floating]) -> pa.ListArray:
    offsets = np.arange(len(matrix) + 1, dtype=np.int32) * matrix.shape[1]
    return pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(matrix).reshape(-1)))
