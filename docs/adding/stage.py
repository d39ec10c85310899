"""How to add a stage: how long a model's embeddings are, by modality.

Inside this package a stage is a folder with a `stage.py` and one line in `pipeline.py`, its tables stand in `schema/`,
each with a contract in `data_contracts/`. From outside, as here, it brings both, and is named by an entry point of the
group `retrieval_lens.stage`. Its section of the config, its step, key and Prefect task follow from the object.
"""

import numpy as np
import polars as pl
from pydantic import Field

from pipeline_core.schema.model import DOUBLE, INT, MODEL, STRING, Table, column
from pipeline_core.settings import Section
from pipeline_core.stage import Input, ModelStage, ModelSubject, Work

LENGTHS = Table(
    "embedding_lengths",
    "lengths",
    "How long embeddings are, by modality.",
    ("model", "modality"),
    (
        MODEL,
        column("modality", STRING, "image | text | image_text"),
        column("n_vectors", INT, "embeddings of that modality"),
        column("length", DOUBLE, "quantile of the Euclidean norm"),
    ),
    contract="""
expectations:
  - type: expect_column_values_to_be_between
    kwargs: {column: length, min_value: 0, strict_min: true}
    severity: critical
    meta:
      reason: a model that gives zero vectors has embedded nothing
""",
)


class LengthSettings(Section):
    """Lengths."""

    quantile: float = Field(0.5, ge=0.0, le=1.0, description="Which quantile of the lengths.")


class Lengths(ModelStage):
    """Reads embeddings and writes one row a modality."""

    name = "lengths"
    about = "Measures how long embeddings are, by modality."
    settings = LengthSettings
    shared = ("representation",)
    inputs = (Input("dataset"), Input("activations"))
    tables = (LENGTHS,)

    def build(self, work: Work[ModelSubject]) -> None:
        """Write the table; what is imported here is not imported by planning."""
        from pipeline_core.activations.analysed import analysed
        from pipeline_core.activations.settings import RepresentationSettings
        from pipeline_core.activations.vectors import load_embeddings
        from pipeline_core.schema.parquet import read_table, write_table

        activations = work.input("activations")
        embeddings = load_embeddings(activations, analysed(activations, work.settings(RepresentationSettings)))
        lengths = np.concatenate([np.linalg.norm(block, axis=1) for block in embeddings.blocks()])
        modality = read_table(work.input("dataset"), "samples", ["sample_id", "modality"])
        rows = (
            embeddings.labels.with_columns(length=lengths.astype(np.float64))
            .join(modality, on="sample_id")
            .group_by("modality")
            .agg(n_vectors=pl.len(), length=pl.col("length").quantile(work.settings(LengthSettings).quantile))
            .with_columns(model=pl.lit(work.subject.model.name))
        )
        write_table(work.folder, LENGTHS.name, rows)


MEMBER = Lengths()
