"""Sparse codes of a model's embeddings, and how well an autoencoder trained on tokens reconstructs pooled vectors.

A shard of the extraction is a part: its codes are a file of their own, and what measures their reconstruction are sums,
which are joined when all parts are there.
"""

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from scipy import sparse

from pipeline_core.activations.vectors import Matrix, VectorBlocks, load_shard, shard_files
from pipeline_core.errors import ModelError
from pipeline_core.sae.architectures import Sae
from pipeline_core.sae.artifact import read_sae, read_sae_id
from pipeline_core.sae.sparse import SparseCodes, concatenate
from pipeline_core.schema.parquet import read_table, write_aside, write_rows, write_table
from pipeline_core.store.durable import clear_unfinished, whole_files

_BLOCK = 4096
_LEAST = 64
"""Vectors encoded at a time at least: the product of a few is summed in another order, by what other routine."""

_GROUPS = ("image", "text", "image_text", "all")
_SUMS = ".sums"
_SUM_COLUMNS = pl.Schema(
    {
        "modality": pl.String(),
        "n_vectors": pl.Int64(),
        "mean": pl.List(pl.Float64()),
        **dict.fromkeys(("variation", "error", "cosine", "l0"), pl.Float64()),
    }
)


@dataclass(frozen=True)
class CodedShard:
    """A part of the codes: those of one shard of the extraction, which holds so many embeddings."""

    number: int
    n_vectors: int

    @property
    def codes(self) -> Path:
        """Where its codes lie in the artifact."""
        return Path("codes", f"{self.number:05d}.parquet")

    @property
    def sums(self) -> Path:
        """Where its sums lie until all are joined."""
        return Path(_SUMS, f"{self.number:05d}.parquet")

    def is_written(self, folder: Path) -> bool:
        """Say whether its files are there and can be read."""
        try:
            return pq.read_metadata(folder / self.sums).num_rows >= 0 and (folder / self.codes).is_file()
        except (OSError, pa.ArrowInvalid):
            return False


def coded_shards(activations: Path) -> list[CodedShard]:
    """Return the parts of the codes of an activations artifact."""
    n_representations = len(read_table(activations, "representations", ["rep_id"]))
    rows = {number: pq.read_metadata(file).num_rows for number, file in shard_files(activations).items()}
    return [CodedShard(number, count // n_representations) for number, count in rows.items()]


def shard_encoder(sae: Path, activations: Path, dataset: Path, rep_id: str) -> Callable[[CodedShard, Path], None]:
    """Load an autoencoder; what is returned writes the codes of a shard's embeddings, and their sums, into a folder.

    Codes are rounded to float16, and those still above 0 are kept; the reconstruction is that of the stored codes.

    Args:
        sae: an artifact with an autoencoder.
        activations: the artifact with the embeddings.
        dataset: the artifact with the table samples, which tells modalities.
        rep_id: the representation that is encoded.

    Raises:
        ModelError: the autoencoder is of another width, or a code is beyond float16.
    """
    autoencoder, sae_id = read_sae(sae), read_sae_id(sae)
    samples = read_table(dataset, "samples", ["sample_id", "modality"])

    def encode(shard: CodedShard, folder: Path) -> None:
        embeddings = load_shard(activations, rep_id, shard.number)
        codes = _encode(autoencoder, embeddings.blocks(_BLOCK), embeddings.width, sae_id)
        modality = embeddings.labels.join(samples, on="sample_id", how="left", maintain_order="left")["modality"]
        sums = _sums(autoencoder, codes, embeddings, modality.to_numpy().astype(str))
        with whole_files(folder, f"{shard.number:05d}", str(shard.sums)) as aside:
            write_table(aside, "codes", _code_rows(codes, embeddings, sae_id), shard.number)
            (aside / _SUMS).mkdir()
            write_aside(aside / shard.sums, sums)

    return encode


def seal_codes(sae: Path, rep_id: str, shards: Sequence[CodedShard], folder: Path) -> None:
    """Write the table reconstruction, and remove what writing the shards left.

    FVU is the sum of squared errors over the sum of squared distances to the mean embedding of the same rows (of one
    modality, or of all), both pooled over the rows; a modality whose embeddings do not vary gets no row.
    """
    sums = pl.concat(pl.read_parquet(folder / shard.sums) for shard in shards)
    named = {"sae_id": read_sae_id(sae), "rep_id": rep_id}
    measured = ((group, _quality(sums.filter(modality=group))) for group in _GROUPS)
    rows = [named | {"modality": group} | own for group, own in measured if own is not None]
    write_rows(folder, "reconstruction", rows)
    shutil.rmtree(folder / _SUMS)
    clear_unfinished(folder)


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
        empty: Matrix = np.empty((0, given), dtype=np.float32)
        codes = concatenate([_encode_block(sae, block) for block in blocks] or [_encode_block(sae, empty)])
        codes = codes._replace(values=codes.values.half())
    if not torch.isfinite(codes.values).all():
        raise ModelError(
            f"codes of {sae_id} exceed float16's largest value, {torch.finfo(torch.float16).max:g}",
            "train the autoencoder on embeddings of a smaller norm",
        )
    return codes


def _encode_block(sae: Sae, block: Matrix) -> SparseCodes:
    n = len(block)
    codes = sae.encode(torch.tensor(np.resize(block, (max(n, _LEAST), block.shape[1]))))
    last = codes.offsets[n]
    return SparseCodes(codes.values[:last], codes.ids[:last], codes.offsets[: n + 1])


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


def _sums(sae: Sae, codes: SparseCodes, embeddings: VectorBlocks, modality: npt.NDArray[np.str_]) -> pl.DataFrame:
    """Return what measures the reconstruction of a shard, a row a modality and one of all, where there are embeddings.

    ``variation`` is the sum of squared distances to ``mean``; ``error``, ``cosine`` and ``l0`` are sums over the rows.
    """
    with torch.inference_mode():
        rebuilt = sae.decode(codes._replace(values=codes.values.float())).double().numpy()
    l0 = _positive_counts(codes)
    rows = []
    for group in _GROUPS:
        chosen = np.flatnonzero((modality == group) | (group == "all"))
        if len(chosen):
            vectors, theirs = embeddings.take(chosen).astype(np.float64), rebuilt[chosen]
            mean = vectors.mean(axis=0)
            # An embedding without any positive code is rebuilt as the decoder bias, possibly zero: its cosine is 0.
            lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(theirs, axis=1)
            products = (vectors * theirs).sum(axis=1)
            cosine = np.divide(products, lengths, out=np.zeros_like(lengths), where=lengths > 0)
            rows.append(
                {
                    "modality": group,
                    "n_vectors": len(chosen),
                    "mean": mean.tolist(),
                    "variation": float(np.square(vectors - mean).sum()),
                    "error": float(np.square(vectors - theirs).sum()),
                    "cosine": float(cosine.sum()),
                    "l0": float(l0[chosen].sum()),
                }
            )
    return pl.DataFrame(rows, schema=_SUM_COLUMNS, orient="row")


def _positive_counts(codes: SparseCodes) -> npt.NDArray[np.int64]:
    before = np.concatenate([[0], np.cumsum((codes.values > 0).numpy())])
    offsets = codes.offsets.numpy()
    counts: npt.NDArray[np.int64] = before[offsets[1:]] - before[offsets[:-1]]
    return counts


def _quality(sums: pl.DataFrame) -> dict[str, float] | None:
    """Join the sums of one group's shards, in their order, into what the table reconstruction says of it."""
    n, mean, variation = 0, np.zeros(0), 0.0
    for count, own, varies in sums.select("n_vectors", "mean", "variation").iter_rows():
        apart = np.array(own) - mean if n else np.array(own)
        # Chan, Golub and LeVeque: each part's own variation, and that between its mean and the mean so far.
        variation += varies + (float(apart @ apart) * n * count / (n + count))
        n, mean = n + count, (mean + apart * (count / (n + count)) if n else apart)
    if variation == 0:
        return None
    error, cosine, l0 = (sum(sums[name].to_list()) for name in ("error", "cosine", "l0"))
    return {"n_vectors": n, "fvu": error / variation, "cosine": cosine / n, "l0": l0 / n}
