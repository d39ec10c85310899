"""Sparse codes of a model's embeddings, and how well an autoencoder trained on tokens reconstructs pooled vectors."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import torch
from scipy import sparse

from pipeline_core.activations.spilled import Room
from pipeline_core.activations.vectors import Matrix, VectorBlocks, load_embeddings
from pipeline_core.errors import ModelError
from pipeline_core.sae.architectures import Sae
from pipeline_core.sae.artifact import read_sae, read_sae_id
from pipeline_core.sae.sparse import SparseCodes, concatenate
from pipeline_core.schema.parquet import ROW_GROUP, read_table, write_sorted, write_table

_BLOCK = 4096
_NUMBERS = 4
"""Arrays as large as the vectors, float64, that their measures take at a time."""

_GROUPS = ("image", "text", "image_text", "all")


def encode_embeddings(
    sae: Path, activations: Path, dataset: Path, rep_id: str, folder: Path, room: Room | None = None
) -> None:
    """Write the tables codes and reconstruction for every embedding of one representation.

    Codes are rounded to float16, and those still above 0 are kept; the reconstruction is that of the stored codes.
    FVU is the sum of squared errors over the sum of squared distances to the mean embedding of the same rows (of one
    modality, or of all), both pooled over the rows; a modality whose embeddings do not vary gets no row.

    Args:
        sae: an artifact with an autoencoder.
        activations: the artifact with the embeddings.
        dataset: the artifact with the table samples, which tells modalities.
        rep_id: the representation that is encoded.
        folder: where to write.
        room: what may be held of vectors and codes; None: all of them.

    Raises:
        ModelError: the autoencoder is of another width, or a code is beyond float16.
    """
    autoencoder, sae_id = read_sae(sae), read_sae_id(sae)
    embeddings = load_embeddings(activations, rep_id, room)
    modality = _modalities(embeddings, dataset)
    of_groups = {group: (modality == group) | (group == "all") for group in _GROUPS}
    parts = _parts(embeddings, room)
    measured = {
        group: _Quality(
            np.sum([_chosen(embeddings, part, own).sum(axis=0) for part in parts], axis=0) / max(1, own.sum())
        )
        for group, own in of_groups.items()
    }

    def batches() -> Iterator[pa.RecordBatch]:
        for part in parts:
            codes = _encode(autoencoder, _blocks(embeddings, part), embeddings.width, sae_id)
            with torch.inference_mode():
                rebuilt = autoencoder.decode(codes._replace(values=codes.values.float())).double().numpy()
            l0 = _positive_counts(codes).astype(np.float64)
            for group, own in of_groups.items():
                here = own[part]
                measured[group].add(_chosen(embeddings, part, own), rebuilt[here], l0[here])
            yield from _code_rows(codes, embeddings, part, sae_id).to_batches(ROW_GROUP)

    write_sorted(folder, "codes", batches())
    about = {"sae_id": sae_id, "rep_id": embeddings.rep_id}
    rows = [about | {"modality": group} | own.told() for group, own in measured.items() if own.variation > 0]
    write_table(folder, "reconstruction", pl.DataFrame(rows))


def encode_vectors(sae: Sae, vectors: Matrix, sae_id: str) -> sparse.csr_matrix:
    """Return the codes [n, S] of vectors [n, d], rounded as those of embeddings are, float32.

    Raises:
        ModelError: the autoencoder is of another width, or a code is beyond float16.
    """
    blocks = (vectors[start : start + _BLOCK] for start in range(0, len(vectors), _BLOCK))
    codes = _encode(sae, blocks, vectors.shape[1], sae_id)
    parts = codes.values.float().numpy(), codes.ids.numpy(), codes.offsets.numpy()
    matrix = sparse.csr_matrix(parts, shape=(len(vectors), len(sae.dictionary)))
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return matrix


def _encode(sae: Sae, blocks: Iterable[Matrix], given: int, sae_id: str) -> SparseCodes:
    width = sae.dictionary.shape[1]
    if given != width:
        raise ModelError(
            f"the autoencoder {sae_id} takes vectors of width {width}, the embeddings have {given}",
            "train one on this model's activations",
        )
    with torch.inference_mode():
        codes = concatenate([sae.encode(torch.tensor(block)) for block in blocks])
        codes = codes._replace(values=codes.values.half())
    if not torch.isfinite(codes.values).all():
        raise ModelError(
            f"codes of {sae_id} exceed float16's largest value, {torch.finfo(torch.float16).max:g}",
            "train the autoencoder on embeddings of a smaller norm",
        )
    return codes


def _parts(embeddings: VectorBlocks, room: Room | None) -> list[slice]:
    """Return the rows that are encoded at a time: whole row groups, as many as there is room for."""
    n, a_row = len(embeddings), _NUMBERS * 8 * embeddings.width
    groups = n if room is None else room.share // (a_row * ROW_GROUP)
    step = max(1, groups) * ROW_GROUP
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def _blocks(embeddings: VectorBlocks, part: slice) -> Iterator[Matrix]:
    for start in range(part.start, part.stop, _BLOCK):
        yield embeddings.take(np.arange(start, min(start + _BLOCK, part.stop)))


def _chosen(embeddings: VectorBlocks, part: slice, own: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return the vectors of those rows of a part that are of a group."""
    return embeddings.take(part.start + np.flatnonzero(own[part])).astype(np.float64)


def _code_rows(codes: SparseCodes, embeddings: VectorBlocks, part: slice, sae_id: str) -> pa.Table:
    counts, labels = _positive_counts(codes), embeddings.labels[part]
    rows = len(counts)
    positive = (codes.values > 0).numpy()
    ids, values = codes.ids.numpy()[positive], codes.values.numpy()[positive]
    order = np.lexsort((ids, np.repeat(np.arange(rows), counts)))
    starts = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    return pa.table(
        {
            "sae_id": [sae_id] * rows,
            "rep_id": [embeddings.rep_id] * rows,
            "level": ["pooled"] * rows,
            "sample_id": labels["sample_id"].to_arrow(),
            "prompt_id": labels["prompt_id"].to_arrow(),
            "features": pa.ListArray.from_arrays(starts, pa.array(ids[order].astype(np.uint32))),
            "values": pa.ListArray.from_arrays(starts, pa.array(values[order])),
        }
    )


def _positive_counts(codes: SparseCodes) -> npt.NDArray[np.int64]:
    before = np.concatenate([[0], np.cumsum((codes.values > 0).numpy())])
    offsets = codes.offsets.numpy()
    counts: npt.NDArray[np.int64] = before[offsets[1:]] - before[offsets[:-1]]
    return counts


@dataclass
class _Quality:
    """How well vectors of one group, whose mean [d] is known, are rebuilt: sums over those added."""

    mean: npt.NDArray[np.float64]
    n: int = 0
    variation: float = 0.0
    errors: float = 0.0
    cosines: float = 0.0
    l0: float = 0.0

    def add(
        self, vectors: npt.NDArray[np.float64], rebuilt: npt.NDArray[np.float64], l0: npt.NDArray[np.float64]
    ) -> None:
        """Add vectors [m, d], what they are rebuilt as, and how many codes they have."""
        # An embedding without any positive code is rebuilt as the decoder bias, possibly zero: its cosine counts as 0.
        lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(rebuilt, axis=1)
        cosine = np.divide((vectors * rebuilt).sum(axis=1), lengths, out=np.zeros_like(lengths), where=lengths > 0)
        self.n += len(vectors)
        self.variation += float(np.square(vectors - self.mean).sum())
        self.errors += float(np.square(vectors - rebuilt).sum())
        self.cosines += float(cosine.sum())
        self.l0 += float(l0.sum())

    def told(self) -> dict[str, float]:
        """Return the columns of ``reconstruction``."""
        fvu = self.errors / self.variation
        return {"n_vectors": self.n, "fvu": fvu, "cosine": self.cosines / self.n, "l0": self.l0 / self.n}


def _modalities(embeddings: VectorBlocks, dataset: Path) -> npt.NDArray[np.str_]:
    samples = read_table(dataset, "samples", ["sample_id", "modality"])
    return embeddings.labels.join(samples, on="sample_id", maintain_order="left")["modality"].to_numpy().astype(str)
