"""Examples: the samples on which a feature is largest, which tell people what it stands for."""

from itertools import pairwise

import numpy as np
import polars as pl

from pipeline_core.codes.reading import Codes
from pipeline_core.features.selection import Rows

_ENTRIES = 1 << 22
"""Codes that are sorted at a time, but for a feature that alone has more."""


def top_examples(codes: Codes, rows: Rows, modality: str, a_feature: int) -> pl.DataFrame:
    """Return the largest codes of each feature among ``rows``, at most ``a_feature``, ranked from 1; ties by sample id.

    A dead feature has none. Columns: feature_id, modality, rank, sample_id, prompt_id, value.
    """
    chosen = np.sort(rows)  # ascending by sample id, as codes are
    by_feature = codes.matrix[chosen].tocsc()
    kept = [np.empty(0, dtype=np.int64)]
    for start, stop in pairwise(_blocks(by_feature.indptr)):
        first, last = by_feature.indptr[start], by_feature.indptr[stop]
        feature = np.repeat(np.arange(start, stop), np.diff(by_feature.indptr[start : stop + 1]))
        order = np.lexsort((by_feature.indices[first:last], -by_feature.data[first:last], feature))
        place = np.arange(last - first) - (by_feature.indptr[feature] - first)
        kept.append(first + order[place < a_feature])
    largest = np.concatenate(kept)
    features = np.searchsorted(by_feature.indptr, largest, side="right") - 1
    samples = chosen[by_feature.indices[largest]].tolist()
    return pl.DataFrame(
        {
            "feature_id": features,
            "value": by_feature.data[largest],
            "sample_id": pl.Series([codes.sample_ids[sample] for sample in samples], dtype=pl.String),
            "prompt_id": pl.Series([codes.prompt_ids[sample] for sample in samples], dtype=pl.String),
        }
    ).with_columns(rank=pl.int_range(1, pl.len() + 1).over("feature_id"), modality=pl.lit(modality))


def _blocks(starts: Rows) -> list[int]:
    """Return where blocks of features begin and the last one ends: one each, or several of few entries together."""
    bounds = np.unique(np.searchsorted(starts, np.arange(0, starts[-1] + _ENTRIES, _ENTRIES), side="right") - 1)
    return [*bounds[bounds < len(starts) - 1].tolist(), len(starts) - 1]
