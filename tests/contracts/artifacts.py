"""Small artifacts of every stage that keep all contracts, as rows that a test can break."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_core.schema import SHARDED, TABLES, tables_of
from tests.contracts.extracted_rows import ACTIVATIONS, CODES, DATASET, FEATURES, SAE, Rows, Tables
from tests.contracts.measured_rows import ATTENTION, DOSES, EFFICIENCY, GRID, INDEX, RETRIEVAL
from tests.contracts.published_rows import REPORT, WAREHOUSE

EVERY: dict[str, Tables] = {
    "dataset": DATASET,
    "activations": ACTIVATIONS,
    "sae": SAE,
    "codes": CODES,
    "features": FEATURES,
    "retrieval": RETRIEVAL,
    "grid": GRID,
    "doses": DOSES,
    "index": INDEX,
    "attention": ATTENTION,
    "efficiency": EFFICIENCY,
    "report": REPORT,
    "warehouse": WAREHOUSE,
}
STAGES = tuple(EVERY)


def good_tables(stage: str) -> Tables:
    """Return the rows of every table of a stage, free to be changed."""
    return deepcopy({table.name: EVERY[stage][table.name] for table in tables_of(stage)})


def write_tables(folder: Path, tables: Mapping[str, Rows]) -> None:
    """Write rows as an artifact's Parquet files without the checks of ``parquet.write_table``, NULLs included."""
    for name, rows in tables.items():
        path = folder / TABLES[name].file_name
        if name in SHARDED:
            path = folder / name / "00000.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        fields = [pa.field(c.name, c.type) for c in TABLES[name].columns]
        pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(fields)), path)
