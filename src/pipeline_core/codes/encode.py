"""Sparse codes of a model's embeddings, and how well an autoencoder trained on tokens reconstructs pooled vectors."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import torch
from scipy import sparse

from pipeline_core.activations.vectors import Matrix, VectorBlocks, load_embeddings
from pipeline_core.errors import ModelError
from pipeline_core.sae.architectures import Sae
from pipeline_core.sae.artifact import read_sae, read_sae_id
from pipeline_core.sae.sparse import SparseCodes, concatenate
from pipeline_core.schema.parquet import read_table, write_table

_BLOCK = 4096
_GROUPS = ("image", "text", "image_text", "all")


def encode_embeddings(sae: Path, activations: Path, dataset: Path, rep_id: str, folder: Path) -> None:
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

    Raises:
        ModelError: the autoencoder is of another width, or a code is beyond float16.
    """
    autoencoder, sae_id = read_sae(sae), read_sae_id(sae)
    embeddings = load_embeddings(activations, rep_id)
    codes = _encode(autoencoder, embeddings.blocks(_BLOCK), embeddings.width, sae_id)
    write_table(folder, "codes", _code_rows(codes, embeddings, sae_id))
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
        codes = concatenate([sae.encode(torch.tensor(block)) for block in blocks])
        codes = codes._replace(values=codes.values.half())
    if not torch.isfinite(codes.values).all():
        raise ModelError(
            f"codes of {sae_id} exceed float16's largest value, {torch.finfo(torch.float16).max:g}",
            "train the autoencoder on embeddings of a smaller norm",
        )
    return codes


def _code_rows(codes: SparseCodes, embeddings: VectorBlocks, sae_id: str) -> pa.Table:
    counts = _positive_counts(codes)
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
            "sample_id": embeddings.labels["sample_id"].to_arrow(),
            "prompt_id": embeddings.labels["prompt_id"].to_arrow(),
            "features": pa.ListArray.from_arrays(starts, pa.array(ids[order].astype(np.uint32))),
            "values": pa.ListArray.from_arrays(starts, pa.array(values[order])),
        }
    )


def _reconstruction(sae: Sae, codes: SparseCodes, embeddings: VectorBlocks, dataset: Path, sae_id: str) -> pl.DataFrame:
    with torch.inference_mode():
        rebuilt = sae.decode(codes._replace(values=codes.values.float())).double().numpy()
    l0 = _positive_counts(codes).astype(np.float64)
    modality = _modalities(embeddings, dataset)
    rows = []
    for group in _GROUPS:
        chosen = np.flatnonzero((modality == group) | (group == "all"))
        measured = _quality(embeddings.take(chosen).astype(np.float64), rebuilt[chosen], l0[chosen])
        if measured is not None:
            rows.append({"sae_id": sae_id, "rep_id": embeddings.rep_id, "modality": group, **measured})
    return pl.DataFrame(rows)


def _positive_counts(codes: SparseCodes) -> npt.NDArray[np.int64]:
    before = np.concatenate([[0], np.cumsum((codes.values > 0).numpy())])
    offsets = codes.offsets.numpy()
    counts: npt.NDArray[np.int64] = before[offsets[1:]] - before[offsets[:-1]]
    return counts


def _quality(
    vectors: npt.NDArray[np.float64], rebuilt: npt.NDArray[np.float64], l0: npt.NDArray[np.float64]
) -> dict[str, float] | None:
    if not len(vectors):
        return None
    variation = np.square(vectors - vectors.mean(axis=0)).sum()
    if variation == 0:
        return None
    # An embedding without any positive code is rebuilt as the decoder bias, possibly zero: its cosine counts as 0.
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(rebuilt, axis=1)
    cosine = np.divide((vectors * rebuilt).sum(axis=1), lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return {
        "n_vectors": len(vectors),
        "fvu": float(np.square(vectors - rebuilt).sum() / variation),
        "cosine": float(cosine.mean()),
        "l0": float(l0.mean()),
    }


def _modalities(embeddings: VectorBlocks, dataset: Path) -> npt.NDArray[np.str_]:
    samples = read_table(dataset, "samples", ["sample_id", "modality"])
    return embeddings.labels.join(samples, on="sample_id", maintain_order="left")["modality"].to_numpy().astype(str)
