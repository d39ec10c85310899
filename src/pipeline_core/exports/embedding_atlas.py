"""Embeddings for embedding-atlas (https://apple.github.io/embedding-atlas): one Parquet file, a row an embedding.

Columns: ``sample_id``, ``prompt_id``, ``modality``, ``text`` (a picture's is its caption), ``split``, ``group``, ``x``
and ``y`` (the first two principal components of the vectors at unit norm), ``vector``, and ``picture`` as the image
columns of Hugging Face have it (``bytes``, ``path``), shrunk.
"""

import io
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_core.exports._kind import Export
from pipeline_core.library import Run
from pipeline_core.report.pictures import LARGEST, Pictures
from pipeline_core.retrieval.maps import unit
from pipeline_core.retrieval.spectrum import spectrum

_SQL = Path(__file__).with_suffix(".sql")
_PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


class EmbeddingAtlas(Export):
    """A Parquet file."""

    name = "embedding_atlas"
    about = "embeddings with captions, pictures and a plane, one Parquet file for embedding-atlas"

    def write(self, run: Run, path: Path, model: str | None = None, sae_id: str | None = None) -> str:
        """Write the representation that was analysed."""
        embeddings = run.embeddings(model)
        vectors = unit(embeddings.take(embeddings.labels["row"].to_numpy()))
        found = spectrum(vectors)
        plane = (vectors - found.mean.astype(np.float32)) @ found.basis[:, :2]
        with run.warehouse() as connection:
            samples = connection.sql(_SQL.read_text(encoding="utf-8")).pl()
        rows = embeddings.labels.join(samples, on="sample_id", how="left", maintain_order="left")
        told = rows.select("sample_id", "prompt_id", "modality", "text", "split", "group").to_arrow()
        table = (
            told.append_column("x", pa.array(plane[:, 0]))
            .append_column("y", pa.array(plane[:, 1]))
            .append_column("vector", pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1]))
            .append_column("picture", pa.array(_pictures(run, rows["image_ref"]), _PICTURE))
        )
        pq.write_table(table, path)
        return f"embedding-atlas {path} --x x --y y --text text --image picture"


def _pictures(run: Run, image_refs: pl.Series) -> list[dict[str, bytes | str] | None]:
    """Return each picture, shrunk, as the bytes of a PNG; None where there is none."""
    shrunk: dict[str, dict[str, bytes | str]] = {}
    with Pictures(run.artifact("dataset")) as pictures:
        for image_ref in image_refs.drop_nulls().unique():
            file = io.BytesIO()
            pictures.open(image_ref, LARGEST).save(file, "PNG")
            shrunk[image_ref] = {"bytes": file.getvalue(), "path": image_ref}
    return [None if image_ref is None else shrunk[image_ref] for image_ref in image_refs]


MEMBER = EmbeddingAtlas()
