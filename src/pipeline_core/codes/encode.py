"""Sparse codes of a model's embeddings, and how well an autoencoder trained on tokens reconstructs pooled vectors."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import torch

from pipeline_core.activations.vectors import Embeddings, load_embeddings
from pipeline_core.errors import ModelError
from pipeline_core.sae.checkpoints import read_sae, read_sae_id
from pipeline_core.sae.topk import SparseCodes, TopKSae, decode, encode
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
    parameters, sae_id = read_sae(sae), read_sae_id(sae)
    embeddings = load_embeddings(activations, rep_id)
    width, given = parameters.dictionary.shape[1], embeddings.vectors.shape[1]
    if given != width:
        raise ModelError(
            f"the autoencoder {sae_id} takes vectors of width {width}, the embeddings have {given}",
            "train one on this model's activations",
        )
    codes = _encode(parameters, embeddings, sae_id)
    write_table(folder, "codes", _code_rows(codes, embeddings, sae_id))
    write_table(folder, "reconstruction", _reconstruction(parameters, codes, embeddings, dataset, sae_id))


def _encode(sae: TopKSae, embeddings: Embeddings, sae_id: str) -> SparseCodes:
    vectors = embeddings.vectors
    with torch.inference_mode():
        blocks = [encode(sae, torch.tensor(vectors[n : n + _BLOCK])) for n in range(0, len(vectors), _BLOCK)]
        codes = SparseCodes(torch.cat([b.values for b in blocks]).half(), torch.cat([b.ids for b in blocks]))
    if not torch.isfinite(codes.values).all():
        raise ModelError(
            f"codes of {sae_id} exceed float16's largest value, {torch.finfo(torch.float16).max:g}",
            "train the autoencoder on embeddings of a smaller norm",
        )
    return codes


def _code_rows(codes: SparseCodes, embeddings: Embeddings, sae_id: str) -> pa.Table:
    ids, order = codes.ids.sort(dim=1)
    values = codes.values.gather(1, order).numpy()
    positive = values > 0
    starts = pa.array(np.concatenate([[0], np.cumsum(positive.sum(axis=1))]), pa.int32())
    rows = len(values)
    return pa.table(
        {
            "sae_id": [sae_id] * rows,
            "rep_id": [embeddings.rep_id] * rows,
            "level": ["pooled"] * rows,
            "sample_id": embeddings.sample_ids,
            "prompt_id": embeddings.prompt_ids,
            "features": pa.ListArray.from_arrays(starts, pa.array(ids.numpy()[positive].astype(np.uint32))),
            "values": pa.ListArray.from_arrays(starts, pa.array(values[positive])),
        }
    )


def _reconstruction(
    sae: TopKSae, codes: SparseCodes, embeddings: Embeddings, dataset: Path, sae_id: str
) -> pl.DataFrame:
    with torch.inference_mode():
        exact = SparseCodes(codes.values.float(), codes.ids)
        rebuilt = decode(sae, exact).double().numpy()
    vectors = embeddings.vectors.astype(np.float64)
    l0 = (codes.values > 0).sum(dim=1).double().numpy()
    modality = _modalities(embeddings, dataset)
    rows = []
    for group in _GROUPS:
        chosen = np.full(len(vectors), True) if group == "all" else modality == group
        measured = _quality(vectors[chosen], rebuilt[chosen], l0[chosen])
        if measured is not None:
            rows.append({"sae_id": sae_id, "rep_id": embeddings.rep_id, "modality": group, **measured})
    return pl.DataFrame(rows)


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


def _modalities(embeddings: Embeddings, dataset: Path) -> npt.NDArray[np.str_]:
    samples = read_table(dataset, "samples", ["sample_id", "modality"])
    modality = dict(samples.iter_rows())
    return np.array([modality[sample] for sample in embeddings.sample_ids])
