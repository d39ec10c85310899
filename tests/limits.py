"""Tables of what a model could not take of a data set, for artifacts that tests write."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from pipeline_core.schema import TABLES
from pipeline_core.schema.parquet import write_table

Key = tuple[str, str]
"""Sample and prompt."""


def write_limits(activations: Path, refused: tuple[Key, ...] = (), kept: Mapping[Key, str] | None = None) -> None:
    """Write the tables ``refused`` and ``long_texts``; ``kept`` tells what a model was shown of texts that it cut."""
    blank = {"width": None, "height": None, "n_tokens": None}
    rows = {
        "refused": [{"fault": "input", "reason": "too long", **blank, **_key(*key)} for key in refused],
        "long_texts": [
            {"n_tokens": 9, "n_kept": 8, "kept": words, **_key(*key)} for key, words in (kept or {}).items()
        ],
    }
    for name, of_table in rows.items():
        write_table(activations, name, pa.Table.from_pylist(of_table, schema=TABLES[name].arrow), shard=0)


def _key(sample_id: str, prompt_id: str) -> dict[str, str]:
    return {"model": "model", "sample_id": sample_id, "prompt_id": prompt_id}
