"""What a table and a column are, the types in use, and the columns that many tables share."""

from dataclasses import dataclass

import pyarrow as pa

FIRST_VERSION = 8
"""Of tables that did not change since each has a version of its own."""

STRING = pa.string()
INT = pa.int64()
SMALL = pa.int32()
FLOAT = pa.float32()
DOUBLE = pa.float64()
BOOL = pa.bool_()
TIME = pa.timestamp("us", tz="UTC")
STRINGS = pa.list_(pa.string())


@dataclass(frozen=True)
class Column:
    """One column; a ``volatile`` one may differ between equal runs, so ``lens diff`` leaves it out."""

    name: str
    type: pa.DataType
    meaning: str
    nullable: bool = False
    volatile: bool = False


@dataclass(frozen=True)
class Table:
    """One table: the stage that writes it, its key, and its columns.

    ``also_by`` names further stages that write it. ``volatile_rows`` names a boolean column that is true of rows which
    equal runs may differ in: ``lens diff`` leaves those out. ``contract`` is the data contract, YAML, of a table from
    outside; those of the schema have theirs in ``data_contracts``. ``version`` is raised when key or columns change,
    above those of all tables of its stages, so that these run anew and no artifact with the old columns is read.
    """

    name: str
    stage: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    also_by: tuple[str, ...] = ()
    volatile_rows: str | None = None
    contract: str | None = None
    version: int = FIRST_VERSION

    @property
    def arrow(self) -> pa.Schema:
        """The pyarrow schema, with each column's meaning as field metadata."""
        fields = [pa.field(c.name, c.type, nullable=c.nullable, metadata={"meaning": c.meaning}) for c in self.columns]
        return pa.schema(fields, metadata={"table": self.name, "schema_version": str(self.version)})

    @property
    def file_name(self) -> str:
        """The Parquet file, relative to the artifact, that holds the table; sharded tables use it as a folder name."""
        return f"{self.name}.parquet"

    def column(self, name: str) -> Column:
        """Return the column called ``name``.

        Raises:
            KeyError: the table has no such column.
        """
        return next(c for c in self.columns if c.name == name)


def column(name: str, kind: pa.DataType, meaning: str) -> Column:
    """A column that always has a value."""
    return Column(name, kind, meaning)


def nullable(name: str, kind: pa.DataType, meaning: str) -> Column:
    """A column that may be NULL."""
    return Column(name, kind, meaning, nullable=True)


def volatile(name: str, kind: pa.DataType, meaning: str) -> Column:
    """A column of times or memory, which equal runs may differ in."""
    return Column(name, kind, meaning, nullable=True, volatile=True)


SAMPLE = column("sample_id", STRING, "sample, as in samples")
PROMPT = column("prompt_id", STRING, "instruction it was embedded under, as in prompts; 'none' for dual encoders")
REP = column("rep_id", STRING, "representation, as in representations")
SAE = column("sae_id", STRING, "sparse autoencoder: <model>/<name>")
TASK = column("task_id", STRING, "retrieval task, as in tasks")
SPLIT = column("split", STRING, "train | support | validation | test; groups never straddle splits")
QUERY = column("query_id", STRING, "query, unique within its task")
SYSTEM = column("system_id", STRING, "retrieval system, as in systems")
FEATURE = column("feature_id", SMALL, "row of the SAE dictionary, from 0")
LOW = column("low", DOUBLE, "lower end of the 95% bootstrap interval; whole groups of queries are resampled")
HIGH = column("high", DOUBLE, "upper end of the 95% bootstrap interval; whole groups of queries are resampled")
MODEL = column("model", STRING, "model name")
METRIC = column("metric", STRING, "hit_rate (the literature's Recall@k) | recall | ndcg | mrr")
K = column("k", SMALL, "cut-off rank")
