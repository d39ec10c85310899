"""What is done to an embedding before it is compared: a frozen map of one side, applied, saved and loaded.

Adaptations fit them (adaptations/); here are the maps themselves. Each ends with L2 normalisation, and is applied to a
block of rows at a time: a million vectors need no second copy in float64.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pipeline_core.activations.vectors import Matrix, Rows, Selection, Vectors
from pipeline_core.errors import StoreError, see_to_files
from pipeline_core.retrieval.parts import by_parts, rows_at_once
from pipeline_core.retrieval.spectrum import BLOCK, Vector64

TINY = np.float32(np.finfo(np.float32).tiny)

_METADATA = "adaptations"
"""The only key of the file's metadata: safetensors writes several keys in no fixed order."""


class Map(Protocol):
    """A fitted map of embeddings."""

    def apply(self, vectors: Matrix) -> Matrix:
        """Map vectors [n, d] to vectors [n, r] of unit norm, float32; what maps to zero stays zero."""


@dataclass(frozen=True)
class Mapped:
    """Vectors under a map, which is applied to what is asked for."""

    vectors: Vectors
    map: Map

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, some: slice | Rows) -> Matrix:
        return self.map.apply(self.vectors[some])

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        blocks = [self[start : start + BLOCK] for start in range(0, len(self), BLOCK)]
        return np.concatenate(blocks).astype(dtype or np.float32, copy=False)


def by_blocks(vectors: Vectors, width: int, transform: Callable[[Matrix], Matrix]) -> Matrix:
    """Apply a map of rows, [m, d] to [m, width], to vectors [n, d] block by block; float32."""
    block = rows_at_once(max(width, vectors[:1].shape[1]), BLOCK)
    if len(vectors) <= block:
        return transform(vectors[:])
    mapped = np.empty((len(vectors), width), dtype=np.float32)
    for start in range(0, len(vectors), block):
        mapped[start : start + block] = transform(vectors[start : start + block])
    return mapped


def unit(vectors: Matrix | Selection) -> Matrix:
    """Return vectors [n, d] at unit norm, float32; zero vectors stay zero."""
    return by_blocks(vectors, vectors.shape[1], _unit)


def _unit(rows: Matrix) -> Matrix:
    return each_row(rows, _unit_rows)


def _unit_rows(rows: Matrix) -> Matrix:
    norms = np.linalg.norm(rows, axis=1, keepdims=True).astype(np.float32)
    return np.asarray(rows / np.maximum(norms, TINY), dtype=np.float32)


def each_row(rows: Matrix, transform: Callable[[Matrix], Matrix]) -> Matrix:
    """Apply a map that takes each row [d] of a block by itself, and keeps its width; float32."""
    mapped = np.empty(rows.shape, dtype=np.float32)

    def apply(some: slice) -> None:
        mapped[some] = transform(rows[some])

    by_parts(rows.shape, apply)
    return mapped


@dataclass(frozen=True)
class Identity:
    """The embedding as it is: h."""

    def apply(self, vectors: Matrix) -> Matrix:
        """Only normalise."""
        return unit(vectors)


@dataclass(frozen=True)
class Centring:
    """Mean removal: h - mu, for the mean mu [d]."""

    mean: Vector64

    def apply(self, vectors: Matrix) -> Matrix:
        """Subtract the mean, normalise."""
        return by_blocks(vectors, vectors.shape[1], lambda rows: each_row(rows, self._centre))

    def _centre(self, rows: Matrix) -> Matrix:
        return _unit_rows((rows - self.mean).astype(np.float32))


@dataclass(frozen=True)
class Whitening:
    """Whitening: (h - mu) U diag(s) V^T, by its parts, which several whitenings of one set of vectors share.

    Attributes:
        mean: mu [d], float64.
        basis: eigenvectors U [d, r] of a covariance.
        scales: s [r], float64.
        back: V [m, r], which rotates out of the eigenbasis: U itself for ZCA and ReAlign; None leaves it out, as PCA.
        unit_input: normalise h first.
    """

    mean: Vector64
    basis: Matrix
    scales: Vector64
    back: Matrix | None
    unit_input: bool = False

    @cached_property
    def matrix(self) -> Matrix:
        """U diag(s) V^T [d, m]: the product in float64 of what is saved, so that a loaded map applies alike."""
        scaled = self.basis * self.scales
        return np.asarray(scaled if self.back is None else scaled @ self.back.T, dtype=np.float32)

    def apply(self, vectors: Matrix) -> Matrix:
        """Subtract the mean in float64 (it may hold 99% of the norm), multiply in float32, normalise."""
        return by_blocks(vectors, self.matrix.shape[1], self._whiten)

    def _whiten(self, rows: Matrix) -> Matrix:
        return _unit(each_row(rows, self._centre) @ self.matrix)

    def _centre(self, rows: Matrix) -> Matrix:
        return ((_unit_rows(rows) if self.unit_input else rows) - self.mean).astype(np.float32)


@dataclass(frozen=True)
class Projection:
    """Removal of a subspace: h - V V^T h, for orthonormal columns V [d, r]."""

    basis: Matrix

    def apply(self, vectors: Matrix) -> Matrix:
        """Project the subspace out, normalise."""
        return by_blocks(vectors, vectors.shape[1], self._project)

    def _project(self, rows: Matrix) -> Matrix:
        left = rows
        # Once leaves rounding errors of the removed part, which may be a hundred times what is left; twice is enough.
        for _ in range(2):
            left = left - np.asarray((left @ self.basis) @ self.basis.T, dtype=np.float32)
        return _unit(left)


_OWN = (Identity, Centring, Whitening, Projection)


def save_maps(path: Path, maps: Mapping[str, Map]) -> None:
    """Write maps by name (``queries``, ``realign/candidates``, ...) as safetensors.

    A tensor is named by the digest of its content, so that what several maps share is written once. The metadata's
    ``adaptations`` is JSON: for each name its kind and its fields, an array by its tensor's name.
    """
    tensors: dict[str, npt.NDArray[Any]] = {}
    kinds = _kinds()
    described = {
        name: {
            "kind": type(fitted).__name__,
            "fields": {
                field.name: _described(getattr(fitted, field.name), tensors)
                for field in fields(kinds[type(fitted).__name__])
            },
        }
        for name, fitted in maps.items()
    }
    save_file(tensors, path, metadata={_METADATA: json.dumps(described)})


def load_maps(path: Path) -> dict[str, Map]:
    """Read what ``save_maps`` wrote; maps share their arrays again.

    Raises:
        StoreError: the file is missing, truncated, or holds something else.
    """
    try:
        path.open("rb").close()  # the library calls a file that cannot be opened one that is not there
        with safe_open(path, framework="numpy") as file:
            described = json.loads((file.metadata() or {})[_METADATA])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            kinds = _kinds()
            return {
                name: kinds[fitted["kind"]](
                    **{
                        field: tensors[value] if isinstance(value, str) else value
                        for field, value in fitted["fields"].items()
                    }
                )
                for name, fitted in described.items()
            }
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        see_to_files(error)
        raise StoreError(f"the adaptations in {path.name} cannot be read: {error}", "run lens verify") from None


def _kinds() -> dict[str, type[Any]]:
    """Return every class of map by its name: those of this module, and those that adaptations bring."""
    from pipeline_core.retrieval.adaptations import ADAPTATIONS  # noqa: PLC0415 (made of this module's maps)

    brought = (kind for adaptation in ADAPTATIONS.values() for kind in adaptation.maps)
    return {kind.__name__: kind for kind in (*_OWN, *brought)}


def _described(value: npt.NDArray[Any] | bool | None, tensors: dict[str, npt.NDArray[Any]]) -> str | bool | None:
    """Return a field as JSON has it; an array is added to ``tensors`` and stands for itself by its name."""
    if not isinstance(value, np.ndarray):
        return value
    array = np.ascontiguousarray(value)
    name = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode() + array.tobytes()).hexdigest()[:32]
    tensors[name] = array
    return name
