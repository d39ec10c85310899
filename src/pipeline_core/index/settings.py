"""Settings of the search index."""

from typing import Literal

from pydantic import Field

from pipeline_core.settings import Count, Section

LEAST_INDEXED = 4096
"""Rows from which an index is built: below, a scan takes milliseconds and is exact."""


class IndexSettings(Section):
    """The search index."""

    kind: Literal["ivf_flat", "hnsw_sq"] = Field(
        "ivf_flat", description="LanceDB index type; hnsw_sq is built in parallel, so its recall varies between builds."
    )
    queries: Count = Field(100, description="Queries of the recall check against exact search.")
