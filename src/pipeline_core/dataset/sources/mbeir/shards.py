"""M-BEIR in Parquet: folders with the configs query, corpus and qrels, each in one or several shards.

A task is known by its data set, and by what asks and what is found: the numbers in folders' names mean other tasks in
other releases. Rows are counted from 0, as in references to pictures.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline_core.dataset.benchmark.staging import Staging
from pipeline_core.dataset.files import named_in_utf8
from pipeline_core.dataset.sources.mbeir import MBeirSettings
from pipeline_core.dataset.sources.mbeir.lines import MODALITIES
from pipeline_core.dataset.tasks import SHORT
from pipeline_core.errors import DataError

_QUERIES, _CORPUS, _QRELS = ("query", "queries"), ("corpus",), ("qrels", "default")
_SPLITS = {"train": "train", "val": "validation", "validation": "validation", "dev": "validation"}
_DEPTHS = ("*", "*/*", "*/*/*")
_NAME = re.compile(r"mbeir_(\w+)")
_MISSPELT = {"visualnes": "visualnews"}
_UNION = "union"


@dataclass(frozen=True)
class Collection:
    """One task in its folder.

    Attributes:
        folder: its folder.
        number: its name with the number that the release gives it, e.g. ``mscoco_task0``.
        data_set: its data set, e.g. ``mscoco``.
        sides: what asks and what is found, e.g. ``t2i``.
        queries: files of each split.
        corpus: files of the candidates.
        qrels: files of each split.
    """

    folder: Path
    number: str
    data_set: str
    sides: str
    queries: Mapping[str, Sequence[Path]]
    corpus: Sequence[Path]
    qrels: Mapping[str, Sequence[Path]]


def find(root: Path, settings: MBeirSettings) -> tuple[Collection, ...]:
    """Return the tasks that are wanted, in order of name.

    Raises:
        DataError: one is not there, or lacks a file, a column or rows.
    """
    there = sorted(_collections(root), key=lambda one: (one.data_set, one.sides, one.number))
    wanted = []
    for one in there:
        names = {one.number, one.data_set, f"{one.data_set}_{one.sides}"}
        wanted += [one] if names & set(settings.tasks) else []
    known = {name for one in there for name in (one.number, one.data_set, f"{one.data_set}_{one.sides}")}
    missing = next((task for task in settings.tasks if task not in known), None)
    if missing:
        has = ", ".join(f"{one.data_set}_{one.sides}" for one in there)
        raise DataError(f"{root} has no task {missing}", f"it has {has or 'no tasks of M-BEIR at all'}")
    return tuple(wanted)


def files_of(root: Path, found: Sequence[Collection], settings: MBeirSettings) -> list[str]:
    """Return all files that are read, by their paths below the folder."""
    every = [*found, *(_collections(root) if settings.pool == _UNION else ())]
    files = {file for one in found for split in (one.queries, one.qrels) for s in split.values() for file in s}
    return sorted(file.relative_to(root).as_posix() for file in files | {f for one in every for f in one.corpus})


def stage(root: Path, found: Sequence[Collection], settings: MBeirSettings, staging: Staging) -> Mapping[str, str]:
    """Add all rows, and return what each task is called.

    Raises:
        DataError: a file cannot be read as what it is.
    """
    searched = {one.folder: one for one in (_collections(root) if settings.pool == _UNION else found)}
    for one in searched.values():
        for file in one.corpus:
            pool = _UNION if settings.pool == _UNION else one.number
            _add_items(staging, root, file, "read_candidates", (pool,))
    for one in found:
        pool = _UNION if settings.pool == _UNION else one.number
        for split, files in one.queries.items():
            staging.add([("searches", (one.number, split, pool, True))])
            for file in files:
                _add_items(staging, root, file, "read_queries", (one.number, split))
            for file in one.qrels[split]:
                _add_judgements(staging, root, file, (one.number, split))
    return {one.number: one.data_set for one in found}


def _collections(root: Path) -> Iterator[Collection]:
    folders = (root, *(path for depth in _DEPTHS for path in sorted(root.glob(depth)) if path.is_dir()))
    for folder in folders:
        queries, corpus, qrels = (_shards(folder, names) for names in (_QUERIES, _CORPUS, _QRELS))
        if not queries or not corpus:
            continue
        told = [match for part in folder.relative_to(root.parent).parts for match in _NAME.findall(part.lower())]
        number = told[-1] if told else folder.name
        for wrong, right in _MISSPELT.items():
            number = re.sub(rf"^{wrong}(?=_|$)", right, number)
        by_split, judged = _by_split(queries), _by_split(qrels)
        for split in by_split:
            if split not in judged:
                raise DataError(f"{folder} has queries of the split {split} and no qrels", "put their qrels there")
        sides = "2".join(_modality(files[0]) for files in (by_split.get("test", queries), corpus))
        yield Collection(folder, number, re.sub(r"_task\d+$", "", number), sides, by_split, corpus, judged)


def _shards(folder: Path, names: Sequence[str]) -> list[Path]:
    return named_in_utf8(folder, (file for name in names for file in (folder / name).glob("*.parquet")))


def _by_split(files: Sequence[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for file in files:
        found.setdefault(_SPLITS.get(file.stem.split("-")[0], "test"), []).append(file)
    return found


def _columns(file: Path, needed: Sequence[str]) -> set[str]:
    try:
        columns = set(pq.read_schema(file).names)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{file} cannot be read: {str(error).splitlines()[0]}", "fetch the file again") from None
    missing = [name for name in needed if name not in columns]
    if missing:
        raise DataError(
            f"{file} has no column {' and no column '.join(missing)}; it has {', '.join(sorted(columns))}",
            "take M-BEIR's own files",
        )
    return columns


def _modality(file: Path) -> str:
    """Return the short name of what the first row of a file consists of."""
    _columns(file, ("id", "modality"))
    first = next(pq.ParquetFile(file).iter_batches(1, columns=["modality"]), None)
    told = first.column(0)[0].as_py() if first else None
    if not isinstance(told, str) or told not in MODALITIES:
        raise DataError(f"{file} row 0: modality is {told!r}", f"it may be {', '.join(MODALITIES)}")
    return next(short for modality, short in SHORT.items() if modality == MODALITIES[told])


def _add_items(staging: Staging, root: Path, file: Path, table: str, keys: tuple[str, ...]) -> None:
    """Add the rows of queries or candidates, without looking at pictures, and note the bad ones."""
    columns, name = _columns(file, ("id", "modality")), file.relative_to(root).as_posix()
    if "image" in columns and not pa.types.is_struct(kind := pq.read_schema(file).field("image").type):
        raise DataError(f"{file} has the column image of type {kind}", "write struct{bytes, path}")
    text = '"text"::varchar' if "text" in columns else "null"
    modality = " ".join(f"when '{written}' then '{meant}'" for written, meant in MODALITIES.items())
    reference = f"shard:{name}#image#" if "image" in columns else None
    seq = staging.file(name, "row")
    sql = f"""
        create table rows as select *, case
            when id is null or id = '' then 'no id'
            when meant is null then 'modality is ' || coalesce('''' || told || '''', 'None')
                || '; it may be {", ".join(MODALITIES)}'
            when meant <> 'image' and text is null then 'modality is ' || told || ', and there is no text'
            when meant <> 'text' and $reference::varchar is null
                then 'modality is ' || told || ', and there is no image'
        end as fault
        from (
            select $seq + file_row_number as seq, trim(id::varchar) as id, modality::varchar as told,
                case modality {modality} end as meant,
                nullif(trim({text}, e' \\t\\r\\n'), '') as text, file_row_number as number
            from read_parquet($file, file_row_number = true)
        );
    """  # noqa: S608  (names of columns and modalities, which are ours)
    _run(staging, file, sql, {"seq": seq, "file": str(file), "reference": reference})
    parts = "case when meant <> 'image' then text end, case when meant <> 'text' then ? || number end"
    row = f"{', '.join('?' for _ in keys)}, seq, id, meant, {parts}"
    told = f"insert into {table} select {row} from rows where fault is null"  # noqa: S608  (as above)
    staging.database.execute(told, [*keys, reference])
    staging.database.execute("insert into faults select place(seq), fault, true from rows where fault is not null")
    staging.database.execute("drop table rows")


def _add_judgements(staging: Staging, root: Path, file: Path, keys: tuple[str, ...]) -> None:
    _columns(file, ("query-id", "corpus-id", "score"))
    sql = """
        create table rows as select trim("query-id"::varchar) as query,
            trim("corpus-id"::varchar) as candidate, try_cast(score as double) as grade, score::varchar as score,
            file_row_number as number
        from read_parquet($file, file_row_number = true)
    """
    _run(staging, file, sql, {"file": str(file)})
    bad = staging.database.execute(
        "select number, query, candidate, score from rows "
        "where query is null or candidate is null or grade is null or grade <> trunc(grade) "
        "or not isfinite(grade) or abs(grade) >= 2e9 order by number limit 1"
    ).fetchone()
    if bad:
        number, *told = bad
        raise DataError(
            f"{file.relative_to(root)} row {number} in {root} is no judgement: {told}",
            "write query-id, corpus-id and a whole number as score",
        )
    staging.database.execute("insert into judgements select ?, ?, query, candidate, grade::bigint from rows", keys)
    staging.database.execute("drop table rows")


def _run(staging: Staging, file: Path, sql: str, values: Mapping[str, object]) -> None:
    try:
        staging.database.execute(sql, dict(values))
    except duckdb.Error as error:
        raise DataError(f"{file} cannot be read: {str(error).splitlines()[0]}", "take M-BEIR's own files") from None
