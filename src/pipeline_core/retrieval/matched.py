"""Matched pairs of the train split, as vectors of one representation: what an embedder could be trained on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline_core.activations.vectors import Matrix, VectorBlocks
from pipeline_core.schema.parquet import read_table


def train_pairs(dataset: Path) -> pl.DataFrame:
    """Return the pairs of the train split: image_id, text_id and the picture's group, in that order."""
    groups = read_table(dataset, "samples", ["sample_id", "group"]).rename({"sample_id": "image_id"})
    pairs = read_table(dataset, "pairs").filter(split="train").join(groups, on="image_id")
    return pairs.select("image_id", "text_id", "group").sort("image_id", "text_id")


@dataclass(frozen=True)
class Matched:
    """The pairs that a model embedded, and what was trained on them. Nothing is looked up before it is asked for.

    Attributes:
        vectors: of one representation.
        pairs: those of ``train_pairs``.
        seed: of what is random in training.
    """

    vectors: VectorBlocks
    pairs: pl.DataFrame
    seed: int
    _trained: dict[str, Matrix] = field(default_factory=dict)

    @cached_property
    def _found(self) -> pl.DataFrame:
        # A sample of train is embedded under one prompt, its modality's own.
        rows = self.vectors.labels.unique("sample_id", keep="first", maintain_order=True).select("sample_id", "row")
        images, texts = (rows.rename({"sample_id": f"{side}_id", "row": side}) for side in ("image", "text"))
        return self.pairs.join(images, on="image_id").join(texts, on="text_id").sort("image_id", "text_id")

    @property
    def images(self) -> Matrix:
        """Vectors [n, d] of the pictures."""
        return self.vectors.take(self._found["image"].to_numpy())

    @property
    def texts(self) -> Matrix:
        """Vectors [n, d] of their texts."""
        return self.vectors.take(self._found["text"].to_numpy())

    @property
    def groups(self) -> npt.NDArray[np.int64]:
        """Number of the group of each pair [n]."""
        return self._found["group"].rank("dense").to_numpy().astype(np.int64) - 1

    @property
    def n_groups(self) -> int:
        """How many groups there are: pairs of one are no strangers to each other."""
        return self._found["group"].n_unique()

    def trained(self, name: str, train: Callable[["Matched"], Matrix]) -> Matrix:
        """Return what ``train`` gives, which is called once a name."""
        if name not in self._trained:
            self._trained[name] = train(self)
        return self._trained[name]
