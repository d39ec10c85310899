"""Token states for training: decoded once from Parquet into a float16 memory map that random batches are read from."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from pipeline_core.activations.vectors import Matrix, representations, token_batches
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
        # By NumPy, which starts no threads beside those of a step that is under way.
        return torch.from_numpy(self.stored(rows).numpy().astype(np.float32) * np.float32(self.scale))

    def stored(self, rows: npt.NDArray[np.int64]) -> torch.Tensor:
        """Return states [len(rows), d] as they lie on the disk, float16 and not scaled, in ascending order of row."""
        return torch.from_numpy(self.halves[np.sort(rows)])

    def widened(self, stored: torch.Tensor) -> torch.Tensor:
        """Return stored states [n, d] as float32, on the device where they are."""
        return stored.float().mul_(self.scale)

    def mean(self) -> torch.Tensor:
        """Return the mean state [d] as float32, summed in float64."""
        total = np.zeros(self.halves.shape[1])
        for block in self._blocks():
            total += block.sum(axis=0, dtype=np.float64)
        return torch.from_numpy((total * self.scale / len(self)).astype(np.float32))

    def _blocks(self) -> Iterator[npt.NDArray[np.float16]]:
        for start in range(0, len(self), _BLOCK):
            yield self.halves[start : start + _BLOCK]


@dataclass(frozen=True)
class TokenRows:
    """Which of the stored states are trained on, and which are not.

    Attributes:
        trained: of each stored state, whether it is trained on.
        held_out: of each, whether it is of a sample that none is trained on, and in no role that is left out.
        places: row in a map of each state that is trained on, in stored order; the states of a sample stay in theirs.
        n_samples: samples under an instruction that are trained on.
    """

    trained: npt.NDArray[np.bool_]
    held_out: npt.NDArray[np.bool_]
    places: npt.NDArray[np.int64]
    n_samples: int

    @classmethod
    def read(cls, activations: Path, order: pl.DataFrame | None = None, leave_out: Sequence[str] = ()) -> "TokenRows":
        """Read those of an activations artifact; arguments as in ``map_tokens``.

        Raises:
            StoreError: the artifact has no token states.
        """
        key = ["sample_id", "prompt_id"]
        stored = read_table(activations, "tokens", [*key, "token_role"])
        numbered = stored.select(key).unique(maintain_order=True) if order is None else order.select(key)
        numbers = stored.join(numbered.with_row_index("number"), on=key, how="left", maintain_order="left")["number"]
        kept = ~stored["token_role"].is_in(list(leave_out)).to_numpy()
        known = numbers.is_not_null().to_numpy()
        of_trained = numbers.filter(pl.Series(kept & known)).to_numpy()
        places = np.empty(len(of_trained), dtype=np.int64)
        places[np.argsort(of_trained, kind="stable")] = np.arange(len(of_trained))
        return cls(kept & known, kept & ~known, places, len(np.unique(of_trained)))


def map_tokens(
    activations: Path, path: Path, order: pl.DataFrame | None = None, leave_out: Sequence[str] = ()
) -> TokenMap:
    """Decode the token states of an activations artifact into a memory map at ``path``, unless a whole one is there.

    Args:
        activations: an activations artifact.
        path: where the map is or will be.
        order: sample_id and prompt_id, in the order that their states are to have; those of other samples are left out.
            By default all in the order of the artifact.
        leave_out: roles of the tokens that are left out.

    Raises:
        DataError: there are fewer than two states, too few to have a variance.
        StoreError: the artifact has no token states.
    """
    rows = TokenRows.read(activations, order, leave_out)
    n_tokens = len(rows.places)
    if n_tokens < _FEWEST:
        but = f" but for {', '.join(leave_out)}" if leave_out else ""
        raise DataError(
            f"the train split has {n_tokens} token states{but}, too few to train an autoencoder on",
            "give it more samples, or do without autoencoders (sae=[])",
        )
    scales = (
        pc.max(pq.read_table(file, columns=["scale"])["scale"]).as_py() for file in table_files(activations, "tokens")
    )
    scale = float(max(s for s in scales if s is not None))
    if not path.is_file():
        _decode(activations, path, scale, rows)
    return TokenMap(path, scale, np.load(path, mmap_mode="r"))


def chosen_batches(activations: Path, chosen: npt.NDArray[np.bool_]) -> Iterator[Matrix]:
    """Yield the stored states that are chosen [<= a batch, d] as float32, in stored order."""
    seen = 0
    for stored in token_batches(activations):
        yield stored[chosen[seen : seen + len(stored)]]
        seen += len(stored)


def _decode(activations: Path, path: Path, scale: float, rows: TokenRows) -> None:
    unfinished = path.with_suffix(".partial")
    halves: np.memmap[tuple[int, ...], np.dtype[np.float16]] | None = None
    filled = 0
    for batch in chosen_batches(activations, rows.trained):
        if halves is None:
            halves = np.lib.format.open_memmap(unfinished, "w+", np.float16, (len(rows.places), batch.shape[1]))
            with unfinished.open("r+b") as file:
                # Without room a map would end the process when it is written to; this is an error that can be told.
                os.posix_fallocate(file.fileno(), 0, unfinished.stat().st_size)
        halves[rows.places[filled : filled + len(batch)]] = batch / np.float32(scale)
        filled += len(batch)
    assert halves is not None and filled == len(rows.places)
    halves.flush()
    unfinished.replace(path)


def hook_name(activations: Path) -> str:
    """Return layer and norm position of the states of an activations artifact, such as "L30/final_norm"."""
    trained_on = representations(activations).filter(pl.col("at_analysis_layer")).row(0, named=True)
    return f"L{trained_on['layer']}/{trained_on['norm_position']}"
