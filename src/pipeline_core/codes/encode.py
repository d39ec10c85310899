"""Sparse codes of a model's embeddings, and how well an autoencoder trained on tokens reconstructs pooled vectors."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import torch
from scipy import sparse

from pipeline_core.activations.spilled import Room
from pipeline_core.activations.vectors import Matrix, Rows, VectorBlocks, load_embeddings
from pipeline_core.errors import ModelError
from pipeline_core.sae.architectures import Sae
from pipeline_core.sae.artifact import read_sae, read_sae_id
from pipeline_core.sae.sparse import SparseCodes, concatenate
from pipeline_core.schema.parquet import ROW_GROUP, read_table, write_sorted, write_table

_BLOCK = 4096
_HELD = 1 << 23
"""Numbers of vectors that are held, as float64, beside their reconstructions."""

_GROUPS = ("image", "text", "image_text", "all")

Doubles = npt.NDArray[np.float64]


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
        room: for the embeddings; by default all are held.

    Raises:
        ModelError: the autoencoder is of another width, or a code is beyond float16.
    """
    autoencoder, sae_id = read_sae(sae), read_sae_id(sae)
    embeddings = load_embeddings(activations, rep_id, room)
    codes = _encode(autoencoder, embeddings.blocks(_BLOCK), embeddings.width, sae_id)
    starts = range(0, len(embeddings), ROW_GROUP)
    write_sorted(folder, "codes", (_code_rows(codes, start, embeddings, sae_id) for start in starts))
    write_table(folder, "reconstruction", _reconstruction(autoencoder, codes, embeddings, dataset, sae_id))


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
        codes = concatenate([_packed(sae.encode(torch.tensor(block))) for block in blocks])
    if not torch.isfinite(codes.values).all():
        raise ModelError(
            f"codes of {sae_id} exceed float16's largest value, {torch.finfo(torch.float16).max:g}",
            "train the autoencoder on embeddings of a smaller norm",
        )
    return codes


def _packed(codes: SparseCodes) -> SparseCodes:
    return codes._replace(values=codes.values.half(), ids=codes.ids.int())


def _code_rows(codes: SparseCodes, start: int, embeddings: VectorBlocks, sae_id: str) -> pa.RecordBatch:
    own = _of_rows(codes, np.arange(start, min(start + ROW_GROUP, len(embeddings))))
    counts = _positive_counts(own)
    rows, labels = len(counts), embeddings.labels[start : start + len(counts)]
    positive = (own.values > 0).numpy()
    ids, values = own.ids.numpy()[positive], own.values.numpy()[positive]
    order = np.lexsort((ids, np.repeat(np.arange(rows), counts)))
    starts = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    return pa.RecordBatch.from_pydict(
        {
            "sae_id": pa.array([sae_id] * rows),
            "rep_id": pa.array([embeddings.rep_id] * rows),
            "level": pa.array(["pooled"] * rows),
            "sample_id": labels["sample_id"].to_arrow(),
            "prompt_id": labels["prompt_id"].to_arrow(),
            "features": pa.ListArray.from_arrays(starts, pa.array(ids[order].astype(np.uint32))),
            "values": pa.ListArray.from_arrays(starts, pa.array(values[order])),
        }
    )


def _of_rows(codes: SparseCodes, rows: Rows) -> SparseCodes:
    offsets = codes.offsets.numpy()
    counts = offsets[rows + 1] - offsets[rows]
    starts = np.concatenate([[0], np.cumsum(counts)])
    places = torch.from_numpy(np.repeat(offsets[rows] - starts[:-1], counts) + np.arange(starts[-1]))
    return SparseCodes(codes.values[places], codes.ids[places].long(), torch.from_numpy(starts))


def _reconstruction(sae: Sae, codes: SparseCodes, embeddings: VectorBlocks, dataset: Path, sae_id: str) -> pl.DataFrame:
    def rebuilt(rows: Rows) -> Doubles:
        own = _of_rows(codes, rows)
        with torch.inference_mode():
            decoded: Doubles = sae.decode(own._replace(values=own.values.float())).double().numpy()
        return decoded

    l0 = _positive_counts(codes).astype(np.float64)
    modality = _modalities(embeddings, dataset)
    rows = []
    for group in _GROUPS:
        chosen = np.flatnonzero((modality == group) | (group == "all"))
        measured = _quality(embeddings, rebuilt, chosen)
        if measured is not None:
            measured["l0"] = float(l0[chosen].mean())
            rows.append({"sae_id": sae_id, "rep_id": embeddings.rep_id, "modality": group, **measured})
    return pl.DataFrame(rows)


def _positive_counts(codes: SparseCodes) -> npt.NDArray[np.int64]:
    before = np.concatenate([[0], np.cumsum((codes.values > 0).numpy())])
    offsets = codes.offsets.numpy()
    counts: npt.NDArray[np.int64] = before[offsets[1:]] - before[offsets[:-1]]
    return counts


def _quality(embeddings: VectorBlocks, rebuilt: Callable[[Rows], Doubles], chosen: Rows) -> dict[str, float] | None:
    if not len(chosen):
        return None
    step = max(1, _HELD // embeddings.width)
    blocks = [chosen[start : start + step] for start in range(0, len(chosen), step)]
    vectors: Callable[[Rows], Doubles] = lambda rows: embeddings.take(rows).astype(np.float64)  # noqa: E731
    total = np.zeros((1, embeddings.width))
    for rows in blocks:
        total = np.concatenate([total, vectors(rows)]).sum(axis=0, keepdims=True)
    mean = total[0] / len(chosen)
    variation = _sum_of_squares(lambda some: vectors(chosen[some]) - mean, len(chosen), embeddings.width)
    if variation == 0:
        return None
    error = _sum_of_squares(lambda some: vectors(chosen[some]) - rebuilt(chosen[some]), len(chosen), embeddings.width)
    cosine = np.concatenate([_cosines(vectors(rows), rebuilt(rows)) for rows in blocks])
    return {"n_vectors": len(chosen), "fvu": error / variation, "cosine": float(cosine.mean())}


def _cosines(vectors: Doubles, rebuilt: Doubles) -> Doubles:
    # An embedding without any positive code is rebuilt as the decoder bias, possibly zero: its cosine counts as 0.
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(rebuilt, axis=1)
    cosines: Doubles = np.divide(
        (vectors * rebuilt).sum(axis=1), lengths, out=np.zeros_like(lengths), where=lengths > 0
    )
    return cosines


def _sum_of_squares(of: Callable[[slice], Doubles], n: int, width: int) -> float:
    """Return the sum of the squares of numbers [n, width], given by rows, a part at a time.

    Halved as numpy halves what it sums pairwise, so that the result is that of the whole at once to the last bit.
    """

    def total(start: int, stop: int) -> float:
        if stop - start <= max(_HELD, width):
            first = start // width
            rows = of(slice(first, -(-stop // width)))
            return float(np.square(rows).ravel()[start - first * width : stop - first * width].sum())
        half = (stop - start) // 2
        half -= half % 8
        return total(start, start + half) + total(start + half, stop)

    return total(0, n * width)


def _modalities(embeddings: VectorBlocks, dataset: Path) -> npt.NDArray[np.str_]:
    samples = read_table(dataset, "samples", ["sample_id", "modality"])
    return embeddings.labels.join(samples, on="sample_id", maintain_order="left")["modality"].to_numpy().astype(str)
