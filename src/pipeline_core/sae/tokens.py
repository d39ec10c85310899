"""Token states for training: decoded once from Parquet into a float16 memory map that random batches are read from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from pipeline_core.activations.vectors import representations, token_batches
from pipeline_core.errors import DataError
from pipeline_core.schema.parquet import read_table, table_files

_BLOCK = 16384
_FEWEST = 2


@dataclass(frozen=True)
class TokenMap:
    """States [n, d] on disk, as float16 after division by ``scale``: the largest of the shards' powers of two."""

    path: Path
    scale: float
    halves: npt.NDArray[np.float16]

    def __len__(self) -> int:
        """Return the number of states."""
        return int(self.halves.shape[0])

    def batch(self, rows: npt.NDArray[np.int64]) -> torch.Tensor:
        """Return states [len(rows), d] as float32, in ascending order of row: a batch has no order, a disk does."""
        return torch.from_numpy(self.halves[np.sort(rows)].astype(np.float32) * np.float32(self.scale))

    def mean(self) -> torch.Tensor:
        """Return the mean state [d] as float32, summed in float64."""
        total = np.zeros(self.halves.shape[1])
        for block in self._blocks():
            total += block.sum(axis=0, dtype=np.float64)
        return torch.from_numpy((total * self.scale / len(self)).astype(np.float32))

    def _blocks(self) -> Iterator[npt.NDArray[np.float16]]:
        for start in range(0, len(self), _BLOCK):
            yield self.halves[start : start + _BLOCK]


def map_tokens(
    activations: Path, path: Path, order: pl.DataFrame | None = None, leave_out: Sequence[str] = ()
) -> TokenMap:
    """Decode the token states of an activations artifact into a memory map at ``path``, unless a whole one is there.

    Args:
        activations: an activations artifact.
        path: where the map is or will be.
        order: sample_id and prompt_id, in the order that their states are to have; by default that of the artifact.
        leave_out: roles of the tokens that are left out.

    Raises:
        DataError: there are fewer than two states, too few to have a variance.
        StoreError: the artifact has no token states.
    """
    files = table_files(activations, "tokens")
    kept = _kept(files, leave_out)
    n_tokens = int(kept.sum())
    if n_tokens < _FEWEST:
        but = f" but for {', '.join(leave_out)}" if leave_out else ""
        raise DataError(
            f"the train split has {n_tokens} token states{but}, too few to train an autoencoder on",
            "give it more samples, or do without autoencoders (sae=[])",
        )
    scales = (pc.max(pq.read_table(file, columns=["scale"])["scale"]).as_py() for file in files)
    scale = float(max(s for s in scales if s is not None))
    if not path.is_file():
        _decode(activations, path, scale, _places(activations, kept, order), kept)
    return TokenMap(path, scale, np.load(path, mmap_mode="r"))


def _kept(files: Sequence[Path], leave_out: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Say of each stored state whether it is of a role that is not left out."""
    if not leave_out:
        return np.ones(sum(pq.read_metadata(file).num_rows for file in files), dtype=bool)
    roles = (pq.read_table(file, columns=["token_role"])["token_role"] for file in files)
    return ~np.concatenate([pc.is_in(one, pa.array(leave_out)).to_numpy() for one in roles])


def _places(activations: Path, kept: npt.NDArray[np.bool_], order: pl.DataFrame | None) -> npt.NDArray[np.int64]:
    """Return the row in the map of each state kept, in stored order; the states of a sample stay in theirs."""
    n_tokens = int(kept.sum())
    if order is None:
        return np.arange(n_tokens)
    stored = read_table(activations, "tokens", order.columns).filter(kept)
    numbers = stored.join(order.with_row_index("number"), on=order.columns, how="left", maintain_order="left")
    places = np.empty(n_tokens, dtype=np.int64)
    places[np.argsort(numbers["number"].to_numpy(), kind="stable")] = np.arange(n_tokens)
    return places


def _decode(
    activations: Path, path: Path, scale: float, places: npt.NDArray[np.int64], kept: npt.NDArray[np.bool_]
) -> None:
    unfinished = path.with_suffix(".partial")
    halves: np.memmap[tuple[int, ...], np.dtype[np.float16]] | None = None
    seen = filled = 0
    for stored in token_batches(activations):
        batch = stored[kept[seen : seen + len(stored)]]
        seen += len(stored)
        if halves is None:
            halves = np.lib.format.open_memmap(unfinished, "w+", np.float16, (len(places), batch.shape[1]))
        halves[places[filled : filled + len(batch)]] = batch / np.float32(scale)
        filled += len(batch)
    assert halves is not None and filled == len(places)
    halves.flush()
    unfinished.replace(path)


def hook_name(activations: Path) -> str:
    """Return layer and norm position of the states of an activations artifact, such as "L30/final_norm"."""
    trained_on = representations(activations).filter(pl.col("at_analysis_layer")).row(0, named=True)
    return f"L{trained_on['layer']}/{trained_on['norm_position']}"
