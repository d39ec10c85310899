"""What a mixed pool asks of its candidates: each goes under the instruction of what it is."""

import polars as pl

from pipeline_core.dataset.prompts import PLAIN

CANDIDATE_PROMPT = (
    pl.when(pl.col("modality") == pl.col("candidate_modality"))
    .then("candidate_prompt_id")
    .otherwise(pl.col("modality").replace_strict(PLAIN, default=None))
)
"""The instruction of a candidate, of the columns modality (its own), candidate_modality and candidate_prompt_id."""


def searched(tasks: pl.DataFrame, candidates: pl.DataFrame, samples: pl.DataFrame) -> pl.DataFrame:
    """Return what tasks search, each candidate under its instruction, once: columns sample_id, modality, prompt_id."""
    told = candidates.join(samples.select("sample_id", "modality"), on="sample_id").join(tasks, on="pool_id")
    return told.select("sample_id", "modality", prompt_id=CANDIDATE_PROMPT).unique()
