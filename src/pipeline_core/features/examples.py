"""Examples: the samples on which a feature is largest, which tell people what it stands for."""

import numpy as np
import polars as pl

from pipeline_core.codes.reading import Codes
from pipeline_core.features.selection import Rows


def top_examples(codes: Codes, rows: Rows, modality: str, a_feature: int) -> pl.DataFrame:
    """Return the largest codes of each feature among ``rows``, at most ``a_feature``, ranked from 1; ties by sample id.

    A dead feature has none. Columns: feature_id, modality, rank, sample_id, prompt_id, value.
    """
    entries = codes.matrix[rows].tocoo()
    samples, prompts = (np.array(ids, dtype=object)[rows] for ids in (codes.sample_ids, codes.prompt_ids))
    return (
        pl.DataFrame(
            {
                "feature_id": entries.col,
                "value": entries.data,
                "sample_id": pl.Series(samples[entries.row], dtype=pl.String),
                "prompt_id": pl.Series(prompts[entries.row], dtype=pl.String),
            }
        )
        .sort("feature_id", "value", "sample_id", descending=[False, True, False])
        .with_columns(rank=pl.int_range(1, pl.len() + 1).over("feature_id"), modality=pl.lit(modality))
        .filter(pl.col("rank") <= a_feature)
    )
