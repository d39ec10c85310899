"""Embeddings and token states, read from artifacts into the arrays that the formulas work on."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline_core.activations.spilled import Room, SpilledVectors, space_for
from pipeline_core.errors import StoreError
from pipeline_core.schema.parquet import EMBEDDING_ROW_GROUP, read_table, table_files

Matrix = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


class LazyVectors(Protocol):
    """An array [n, d] of which nothing is read but what is asked for: by a slice, by rows, or whole by numpy."""

    def __len__(self) -> int: ...

    def __getitem__(self, some: slice | Rows) -> Matrix: ...

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]: ...


Vectors = Matrix | LazyVectors

PLAIN_PROMPT = "none"
"""Prompt id of dual encoders, which know no prompts."""

_ASKED = 1 << 18
"""Samples that are looked up at a time."""


@dataclass(frozen=True)
class VectorBlocks:
    """Embeddings of one representation, by row: rows are numbered in ascending order of (sample_id, prompt_id).

    Attributes:
        rep_id: the representation.
        labels: columns row, sample_id and prompt_id, by row.
    """

    rep_id: str
    labels: pl.DataFrame
    _stored: Matrix | SpilledVectors
    """Vectors [n, d] by row."""

    def __len__(self) -> int:
        return len(self._stored)

    @property
    def width(self) -> int:
        """Dimensions d of a vector."""
        return int(self._stored.shape[1])

    @property
    def plain(self) -> bool:
        """Whether the model knows no prompts: its rows answer to every prompt."""
        return bool(self.labels["prompt_id"][0] == PLAIN_PROMPT)

    def take(self, rows: Rows) -> Matrix:
        """Return the vectors [len(rows), d] of rows."""
        return self._stored[rows]

    def blocks(self, size: int = 8192) -> Iterator[Matrix]:
        """Yield all vectors in order of row, at most ``size`` at a time."""
        for start in range(0, len(self), size):
            yield self._stored[start : start + size]

    def embedded(self, asked: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of a table (sample_id, prompt_id, ...) that have an embedding: a model may refuse some."""
        key = ["sample_id"] if self.plain else ["sample_id", "prompt_id"]
        return asked.join(self.labels, on=key, how="semi", maintain_order="left")

    def rows_of(self, sample_ids: Sequence[str], prompt_ids: Sequence[str] | str) -> Rows:
        """Return the rows of samples, each under its prompt or all under one.

        Raises:
            StoreError: a sample was not embedded under its prompt.
        """
        prompts = PLAIN_PROMPT if self.plain else prompt_ids
        if isinstance(prompts, str):
            return self._rows_under(prompts, sample_ids)
        rows, under = np.empty(len(sample_ids), dtype=np.int64), np.asarray(prompts)
        for prompt in np.unique(under):
            places = np.flatnonzero(under == prompt)
            rows[places] = self._rows_under(str(prompt), [sample_ids[int(place)] for place in places])
        return rows

    def _rows_under(self, prompt_id: str, sample_ids: Sequence[str]) -> Rows:
        # By halving, some at a time: a join of all takes a quarter of a gigabyte for each million.
        own = self.labels.filter(prompt_id=prompt_id)
        known, rows = own["sample_id"].rechunk(), np.empty(len(sample_ids), dtype=np.int64)
        for start in range(0, len(sample_ids), _ASKED):
            asked = pl.Series(sample_ids[start : start + _ASKED], dtype=pl.String)
            places = known.search_sorted(asked).to_numpy()
            found = places < len(known)
            found[found] = (known.gather(places[found]) == asked.filter(pl.Series(found))).to_numpy()
            if not found.all():
                key = asked[int(np.argmin(found))], prompt_id
                raise StoreError(f"no embedding of (sample, prompt) {key}", "run the activations stage again")
            rows[start : start + len(asked)] = own["row"].gather(places).to_numpy()
        return rows


@dataclass(frozen=True)
class Selection:
    """Vectors of some rows of a representation, in their order, which are read when they are asked for."""

    vectors: VectorBlocks
    rows: Rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, some: slice | Rows) -> Matrix:
        return self.vectors.take(self.rows[some])

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return self[:].astype(dtype or np.float32, copy=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Their number and their width."""
        return len(self), self.vectors.width


def representations(activations: Path) -> pl.DataFrame:
    """Return the table ``representations`` of an activations artifact."""
    return read_table(activations, "representations")


def analysis_representation(activations: Path, pooling: str = "mean", mask: str = "all") -> str:
    """Return the rep_id of a pooling and mask at the analysis layer; a dual encoder has one representation."""
    at_layer = representations(activations).filter(pl.col("at_analysis_layer"))
    if at_layer.height > 1:
        at_layer = at_layer.filter(pooling=pooling, mask=mask)
    return str(at_layer["rep_id"].item())


def load_embeddings(activations: Path, rep_id: str | None = None, room: Room | None = None) -> VectorBlocks:
    """Open the embeddings of one representation.

    Without ``rep_id`` it is the analysis layer's mean over all tokens, the paper's embedding. Without ``room`` all
    vectors are held.

    Raises:
        StoreError: the artifact has no such representation.
    """
    wanted, files = rep_id or analysis_representation(activations), table_files(activations, "embeddings")
    own = pc.field("rep_id") == wanted
    labels = pl.DataFrame(
        pa.concat_tables(pq.read_table(file, columns=["sample_id", "prompt_id"], filters=own) for file in files)
    )
    if labels.is_empty():
        known = ", ".join(sorted(representations(activations)["rep_id"].to_list()))
        raise StoreError(f"there is no representation {wanted!r}", f"known: {known}")
    ordered = labels.with_row_index("place").sort("sample_id", "prompt_id")
    rows = np.empty(len(labels), dtype=np.int64)
    rows[ordered["place"].to_numpy()] = np.arange(len(rows))
    vectors, start = space_for((len(rows), embedding_width(activations)), room), 0
    for file in files:
        for batch in _vector_batches(file, own):
            here, start = rows[start : start + len(batch)], start + len(batch)
            vectors[here] = batch.column("vector").flatten().to_numpy().reshape(len(batch), vectors.shape[1])
    numbered = ordered.select(pl.int_range(pl.len(), dtype=pl.Int64).alias("row"), "sample_id", "prompt_id")
    return VectorBlocks(wanted, numbered, vectors)


def _vector_batches(file: Path, own: pc.Expression) -> Iterator[pa.RecordBatch]:
    """Yield the vectors of a file in order, a group of rows at a time: a shard of a wide model may take 700 MB."""
    import pyarrow.dataset as ds  # noqa: PLC0415 - it loads pandas, which plans do without

    # By default all that will be read of a file is fetched at once.
    apart = ds.ParquetFileFormat(default_fragment_scan_options=ds.ParquetFragmentScanOptions(pre_buffer=False))
    yield from ds.dataset(file, format=apart).to_batches(
        columns=["vector"], filter=own, batch_size=EMBEDDING_ROW_GROUP, batch_readahead=1, fragment_readahead=1
    )


def shard_files(activations: Path) -> dict[int, Path]:
    """Return the files of an activations artifact's embeddings by the number of their shard."""
    return {int(file.stem): file for file in table_files(activations, "embeddings")}


def load_shard(activations: Path, rep_id: str, number: int) -> VectorBlocks:
    """Read the embeddings of one representation in one shard; there are none where all samples were refused.

    Rows are numbered within the shard.
    """
    columns = ["sample_id", "prompt_id", "vector"]
    table = pq.read_table(shard_files(activations)[number], columns=columns, filters=pc.field("rep_id") == rep_id)
    table = table.sort_by([(name, "ascending") for name in columns[:2]])
    labels = pl.DataFrame(table.select(columns[:2])).with_row_index("row").cast({"row": pl.Int64})
    values = table.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    width = len(values) // len(labels) if len(labels) else embedding_width(activations)
    return VectorBlocks(rep_id, labels, values.astype(np.float32, copy=False).reshape(len(labels), width))


def embedding_width(activations: Path) -> int:
    """Return the width d of an activations artifact's embeddings."""
    # All samples of a shard may have been refused.
    files = table_files(activations, "embeddings")
    batches = (batch for file in files for batch in pq.ParquetFile(file).iter_batches(1, columns=["vector"]))
    return len(next(batches).column("vector")[0])


def token_batches(activations: Path, batch_size: int = 65536) -> Iterator[Matrix]:
    """Yield token states [<= batch_size, d] as float32, scale restored, in stored order."""
    for file in table_files(activations, "tokens"):
        for batch in pq.ParquetFile(file).iter_batches(batch_size, columns=["vector", "scale"]):
            vectors = batch.column("vector").flatten().to_numpy().reshape(batch.num_rows, -1).astype(np.float32)
            yield vectors * batch.column("scale").to_numpy()[:, None]


def top_count(share: float, n: int) -> int:
    """Return ceil(share * n), the size of the top share of n features.

    Rounded first: 0.07 of 10,000 is 700, although 0.07 * 10,000 is a little above it in floats.
    """
    return math.ceil(round(share * n, 9))
