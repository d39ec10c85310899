"""What differs between two runs: every column that the schema does not mark volatile, and the trained weights."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from safetensors import SafetensorError, safe_open

from pipeline_core.errors import StoreError
from pipeline_core.schema import TABLES, Table, schema_version
from pipeline_core.schema.parquet import read_table
from pipeline_core.store.journal import RunArtifact, RunRecord, find_run
from pipeline_core.store.manifest import Artifact, read_artifact

WEIGHTS = ".safetensors"


@dataclass(frozen=True)
class Difference:
    """A place where two runs differ."""

    name: str
    what: str


def diff_runs(store: Path, left: str, right: str) -> list[Difference]:
    """Compare two runs, named as ``find_run`` takes them; the runs may be in different stores.

    Raises:
        StoreError: a run or one of its artifacts cannot be read, or has tables of another version of the schema.
    """
    sides = []
    for name in (left, right):
        root, run = find_run(store, name)
        if run.state != "completed":
            raise StoreError(f"the run {run.run_id} is {run.state}", "compare completed runs")
        sides.append({artifact.name: _open(root, run, artifact) for artifact in run.artifacts})
    one, other = sides
    only = [Difference(name, "only in one run") for name in sorted(one.keys() ^ other.keys())]
    common = [d for name in sorted(one.keys() & other.keys()) for d in _artifact(name, one[name], other[name])]
    return only + common


def _open(root: Path, run: RunRecord, artifact: RunArtifact) -> Artifact:
    found = read_artifact(root / artifact.stage / artifact.fingerprint)
    version, wanted = found.manifest.schema_version, schema_version(artifact.stage)
    if version != wanted:
        problem = f"the run {run.run_id} has tables of {artifact.stage} in version {version}, not {wanted}"
        raise StoreError(problem, "run it again")
    return found


def _artifact(name: str, left: Artifact, right: Artifact) -> Iterator[Difference]:
    if left.folder == right.folder:
        return
    if left.manifest.rows.keys() != right.manifest.rows.keys():
        yield Difference(name, "holds other tables")
        return
    for table in left.manifest.rows:
        if table not in TABLES:
            yield Difference(name, f"table {table} is of a stage that is not installed")
            continue
        for problem in _table(TABLES[table], left.folder, right.folder):
            yield Difference(name, problem)
    for file in sorted({f.path for a in (left, right) for f in a.manifest.files if f.path.endswith(WEIGHTS)}):
        paths = [a.folder / file for a in (left, right)]
        if not all(p.is_file() for p in paths):
            yield Difference(name, f"{file} is only in one run")
        elif not _same_weights(*paths):
            yield Difference(name, f"{file} has other weights")


def _same_weights(left: Path, right: Path) -> bool:
    # The library writes metadata in no fixed order, so files with equal contents may differ in bytes.
    try:
        with safe_open(left, framework="numpy") as one, safe_open(right, framework="numpy") as other:
            if set(one.keys()) != set(other.keys()) or one.metadata() != other.metadata():
                return False
            pairs = ((one.get_tensor(name), other.get_tensor(name)) for name in one.keys())  # noqa: SIM118
            return all(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs)
    except SafetensorError as error:
        raise StoreError(f"the weights {left} or {right} cannot be read: {error}", "run lens verify") from None


def _table(table: Table, left: Path, right: Path) -> Iterator[str]:
    stable = [c.name for c in table.columns if not c.volatile]
    one, other = (_stable_rows(table, read_table(folder, table.name, stable)) for folder in (left, right))
    if one.height != other.height:
        yield f"table {table.name} has {one.height} rows and {other.height}"
        return
    for column in stable:
        unequal = ~one[column].eq_missing(other[column])
        if isinstance(unequal, pl.Series) and unequal.any():
            row = int(unequal.arg_true()[0])
            key = ", ".join(str(one[k][row]) for k in table.key)
            yield f"table {table.name}, column {column}: {int(unequal.sum())} rows differ, the first at ({key})"


def _stable_rows(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    kept = rows if table.volatile_rows is None else rows.filter(~pl.col(table.volatile_rows))
    return kept.sort(list(table.key))
