"""Shards of embeddings and token states: files whole or absent, the embeddings last, so that they seal a shard."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_core.activations.plan import Item, Shard
from pipeline_core.models.adapter import ROLES
from pipeline_core.schema.parquet import write_table

_HALF_LIMIT = 3e4
_WORK_FOLDER = ".writing"


@dataclass(frozen=True)
class TokenStates:
    """The kept token states of one item.

    Attributes:
        item: sample and prompt.
        positions: index of each token in its sequence [n].
        roles: role of each token [n], positions in ``ROLES``.
        states: float32 [n, width].
    """

    item: Item
    positions: npt.NDArray[np.int32]
    roles: npt.NDArray[np.uint8]
    states: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Rows:
    """What was computed for some items: a batch's, or a whole shard's.

    Attributes:
        items: the items, n of them.
        rep_ids: the representations, r of them.
        n_tokens: tokens pooled, [r, n].
        vectors: float32 [r, n, width].
        tokens: token states of training items.
    """

    items: Sequence[Item]
    rep_ids: Sequence[str]
    n_tokens: npt.NDArray[np.int32]
    vectors: npt.NDArray[np.float32]
    tokens: Sequence[TokenStates]


def join(parts: Sequence[Rows]) -> Rows:
    """Return the rows of several batches as one; their representations are the same."""
    return Rows(
        items=tuple(item for part in parts for item in part.items),
        rep_ids=parts[0].rep_ids,
        n_tokens=np.concatenate([part.n_tokens for part in parts], axis=1),
        vectors=np.concatenate([part.vectors for part in parts], axis=1),
        tokens=tuple(kept for part in parts for kept in part.tokens),
    )


def is_written(folder: Path, shard: Shard, n_representations: int) -> bool:
    """Say whether a shard's files are there, can be read and have as many embeddings as the plan says."""
    try:
        rows = [pq.read_metadata(_file(folder, table, shard.number)).num_rows for table in ("embeddings", "tokens")]
    except (OSError, pa.ArrowInvalid):
        return False
    return bool(rows[0] == n_representations * len(shard.items))


def write_shard(folder: Path, number: int, rows: Rows) -> None:
    """Write one shard: each file under another name, flushed to the disk, then renamed."""
    with _work_folder(folder) as work:
        for table, data in (("tokens", _token_table(rows)), ("embeddings", _embedding_table(rows))):
            write_table(work, table, data, number)
            written, final = _file(work, table, number), _file(folder, table, number)
            with written.open("rb") as file:
                os.fsync(file.fileno())
            final.parent.mkdir(exist_ok=True)
            written.replace(final)


def half_scale(largest: float) -> float:
    """Return the smallest power of two, at least 1, that brings ``largest`` down to 3e4 or less.

    float16 ends at 65,504, and models that were trained in bfloat16 have states beyond it.
    """
    return float(2.0 ** max(0, np.ceil(np.log2(largest / _HALF_LIMIT)))) if largest > _HALF_LIMIT else 1.0


def _file(folder: Path, table: str, number: int) -> Path:
    return folder / table / f"{number:05d}.parquet"


@contextmanager
def _work_folder(folder: Path) -> Iterator[Path]:
    # A killed run leaves this folder behind; what it holds is unfinished.
    work = folder / _WORK_FOLDER
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        yield work
    finally:
        shutil.rmtree(work)


def _embedding_table(rows: Rows) -> pa.Table:
    r, n = len(rows.rep_ids), len(rows.items)
    return pa.table(
        {
            "rep_id": np.repeat(np.array(rows.rep_ids, dtype=object), n),
            "sample_id": [item.sample_id for item in rows.items] * r,
            "prompt_id": [item.prompt_id for item in rows.items] * r,
            "n_tokens": rows.n_tokens.reshape(-1),
            "vector": _lists(rows.vectors.reshape(r * n, rows.vectors.shape[2])),
        }
    )


def _token_table(rows: Rows) -> pa.Table:
    counts = [len(kept.roles) for kept in rows.tokens]
    states = np.concatenate([kept.states for kept in rows.tokens] or [np.empty((0, 1), np.float32)])
    scale = half_scale(float(np.abs(states).max(initial=0.0)))
    return pa.table(
        {
            "sample_id": _repeat([kept.item.sample_id for kept in rows.tokens], counts),
            "prompt_id": _repeat([kept.item.prompt_id for kept in rows.tokens], counts),
            "token_index": pa.array(_joined([kept.positions for kept in rows.tokens]), pa.int32()),
            "token_role": pa.array(np.array(ROLES, dtype=object)[_joined([kept.roles for kept in rows.tokens])]),
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
