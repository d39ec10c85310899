"""A benchmark on its way to tables: rows staged in a database on disk, chosen, screened, judged and written in order.

The database spills what does not fit its memory, pictures are read one after the other, and tables are written as they
are sorted: how much memory is used is bounded, however many rows there are.
"""

import hashlib
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa

from pipeline_core.dataset.benchmark import FOLDER
from pipeline_core.dataset.places import Place, Places
from pipeline_core.dataset.prompts import PROMPTS
from pipeline_core.dataset.screening import read_picture, refuse_if_too_many
from pipeline_core.dataset.tables import task_row, write_source
from pipeline_core.dataset.tasks import SHORT, Task, as_control, task_between
from pipeline_core.errors import DataError
from pipeline_core.schema import tables_of
from pipeline_core.schema.parquet import write_rows, write_sorted

BATCH = 8192
"""Rows that are held at a time."""

_FIRST, _LEAST, _A_MILLION = 48, 112, 96
"""Megabytes that a statement is tried with first; that it may hold where it needs more; and that it may for each
million rows, where that is more still: joins keep a table of hashes."""

_SORTING = 16
"""Megabytes that the database may hold while rows are read in order: more would only keep what was read."""

_RANGE, _DRAWN = 16_384, 64
"""Rows that are sorted at a time, about, and keys that are drawn for each such range to find where they end."""

_GROUP = 16_384
"""Rows that the database holds of a table, besides what it may, before it writes them."""

_FULL = "Out of Memory Error"
"""What the database says where Arrow reads from it, which makes every error one of input and output."""

_STAGED = "staged"
_FILE = 40
_WORDS = {"text": "texts", "image": "pictures", "image_text": "pictures with texts"}
_KNOWN_PROMPTS = {text: prompt_id for prompt_id, text in PROMPTS.items()}


@dataclass(frozen=True)
class Wanted:
    """What is taken of a benchmark: all of it where a number is None.

    Attributes:
        support: most queries of the train split that are set aside as support, and at most half of them.
        queries: most queries of a task and split.
        distractors: most candidates of a pool beside right answers and hard negatives.
        key: decides which.
        mixed: a pool is searched whole, not only its candidates of the modality that is asked for.
        asks_all: queries that nothing usable answers are asked, unless they are a sample.
    """

    support: int
    queries: int | None
    distractors: int | None
    key: str
    mixed: bool = False
    asks_all: bool = False


@dataclass(frozen=True)
class TaskName:
    """How the tasks of one name in the benchmark begin, and their descriptions, and the cut-off they are read at."""

    name: str
    about: str
    primary_k: int


class Staging:
    """The database of one benchmark. A context manager: it is removed in the end."""

    def __init__(self, folder: Path, root: Path, wanted: Wanted) -> None:
        """Make an empty database.

        Args:
            folder: of the artifact, which the tables are written into.
            root: folder of the source, which pictures lie below.
            wanted: what is taken.
        """
        self._folder, self._root, self._wanted = folder, root, wanted
        self._aside = folder / _STAGED
        shutil.rmtree(self._aside, ignore_errors=True)
        self._aside.mkdir()
        self.database = duckdb.connect()
        self.database.execute(f"attach '{_quoted(self._aside / 'rows.duckdb')}' as {_STAGED} (row_group_size {_GROUP})")
        self.database.execute(f"use {_STAGED}")
        # Each thread holds buffers of its own, and Python is what takes the time.
        self.database.execute("set threads = 1; set preserve_insertion_order = false")
        self.database.execute("set allocator_flush_threshold = '4MB'")
        self._limit(0)
        self.database.execute(f"set temp_directory = '{_quoted(self._aside / 'spilt')}'")
        self._run("create.sql")
        self.database.execute(
            "create table wanted as "
            "select ? as support, ?::bigint as queries, ?::bigint as distractors, ? as key, ? as mixed, ? as asks_all",
            [wanted.support, wanted.queries, wanted.distractors, wanted.key, wanted.mixed, wanted.asks_all],
        )
        self._files = 0

    def __enter__(self) -> "Staging":
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self.database.close()
        shutil.rmtree(self._aside, ignore_errors=True)
        if isinstance(error, duckdb.OutOfMemoryException) or (isinstance(error, OSError) and _FULL in str(error)):
            room = f"{self._megabytes} MB of memory, or the disk"
            words = f"the data set {self._root} does not fit {room}: {str(error).splitlines()[0]}"
            raise DataError(words, "take a sample of it, or make room on the disk") from None

    def file(self, name: str, unit: Literal["row", "line"]) -> int:
        """Note a file, and return what is added to its rows' numbers to make their ``seq``."""
        self._files += 1
        self.database.execute("insert into files values (?, ?, ?)", [self._files, name, unit])
        return self._files << _FILE

    def add(self, rows: Iterable[tuple[str, Sequence[object]]]) -> None:
        """Add rows, each with the table of ``create.sql`` that it goes into, a batch at a time."""
        batches: dict[str, list[Sequence[object]]] = defaultdict(list)
        for table, row in rows:
            batches[table].append(row)
            if len(batches[table]) == BATCH:
                self._insert(table, batches.pop(table))
        for table, batch in batches.items():
            self._insert(table, batch)

    @property
    def may_support(self) -> bool:
        """Whether some task has a train split that queries can be set aside from."""
        sql = "select 1 from read_queries where published = 'train' group by task having count(*) > 1 limit 1"
        return bool(self.database.execute(sql).fetchall())

    def choose(self) -> None:
        """Choose what is taken of what was added.

        Raises:
            DataError: two candidates of one name differ.
        """
        self._limit(self._count("read_candidates") + self._count("read_queries"))
        self._run("choose.sql")
        if self._wanted.distractors is not None:
            self._run("sample.sql")
        self._run("found.sql")
        twice = self.database.execute(
            "select id, place(seq), place(last) from first_found where differ order by id limit 1"
        ).fetchone()
        if twice:
            name, first, last = twice
            raise DataError(f"the candidate {name} is one thing at {first} and another at {last}", "rename one")

    def pictures(self) -> Iterator[str]:
        """Go through the pictures of what was chosen, each once, in the order in which they lie."""
        for batch in self._sorted("shown", "seq"):
            yield from batch.column("picture").to_pylist()

    def write(self, tasks: Mapping[str, TaskName], max_quarantine_share: float, *, own_instructions: bool) -> None:
        """Choose, screen and judge what was added, and write every table of a data set.

        Args:
            tasks: what each task that was added is called, and read at.
            max_quarantine_share: share of bad rows, 0 to 1, above which the data set is refused.
            own_instructions: queries are asked under the benchmark's own.

        Raises:
            DataError: two rows of one name differ, too many are bad, an instruction is missing, or nothing is asked.
        """
        self.choose()
        self.add(("pictures", row) for row in self._screened())
        self._run("screen.sql")
        self._refuse_too_many(max_quarantine_share)
        self._instruct(own_instructions)
        made = self._tasks(tasks)
        self._run("judge.sql")
        write_source(self._folder, self._root, published=True)
        write_rows(self._folder, "tasks", [task_row(*row) for row in made])
        for table in tables_of("dataset"):
            if table.name != "tasks":
                sql = (FOLDER / "tables" / f"{table.name}.sql").read_text(encoding="utf-8")
                order = ", ".join(f'"{key}"' for key in table.key)
                self._execute(f"create or replace table written as {sql}")
                write_sorted(self._folder, table.name, self._sorted("written", order))

    def _limit(self, n_rows: int) -> None:
        self._megabytes = max(_LEAST, _A_MILLION * n_rows // 1_000_000)
        self._allow(self._megabytes)

    def _count(self, table: str) -> int:
        return int(self.database.table(table).aggregate("count(*)").fetchall()[0][0])

    def _sorted(self, table: str, keys: str) -> Iterator[pa.RecordBatch]:
        """Go through a table in the order of a key, a range of it at a time, which fits the memory."""
        self._allow(_SORTING)
        # A cursor of its own: what is made of the rows may go into the same database.
        cursor = self.database.cursor()
        cursor.execute(f"use {_STAGED}")
        written, n_ranges = cursor.table(table), 1 + self._count(table) // _RANGE
        ends: list[tuple[Any, ...]] = []
        if n_ranges > 1:
            drawn = written.query("rows", f"from rows using sample reservoir({_DRAWN * n_ranges} rows) repeatable (0)")
            assert drawn is not None, "a query that reads gives rows"
            ends = drawn.project(keys).order(keys).fetchall()[_DRAWN::_DRAWN]
        for low, high in zip((None, *ends), (*ends, None), strict=True):
            # Kept apart by coalesce: the two would become a BETWEEN, which tuples do not have. No key is NULL.
            within = [
                f"coalesce(({keys}) {sign} ({_told(end)}), false)" for sign, end in ((">=", low), ("<", high)) if end
            ]
            found = written.filter(" and ".join(within)) if within else written
            yield from found.order(keys).to_arrow_reader(BATCH)
        self._allow(self._megabytes)

    def _run(self, name: str) -> None:
        for statement in duckdb.extract_statements((FOLDER / name).read_text(encoding="utf-8")):
            self._execute(statement.query)

    def _execute(self, sql: str) -> list[Any]:
        """Return a statement's rows; it is executed again with twice as much memory while it does not fit."""
        allowed = _FIRST
        while True:
            try:
                self._allow(allowed)
                rows = self.database.execute(sql).fetchall()
            except duckdb.OutOfMemoryException:
                if allowed >= self._megabytes:
                    raise
                allowed = min(2 * allowed, self._megabytes)
            else:
                self._allow(self._megabytes)
                return rows

    def _allow(self, megabytes: int) -> None:
        self.database.execute(f"set memory_limit = '{megabytes}MB'")

    def _insert(self, table: str, batch: list[Sequence[object]]) -> None:
        schema = self.database.sql(f"from {table} limit 0").to_arrow_table().schema
        arrays = [pa.array(column, f.type) for column, f in zip(zip(*batch, strict=True), schema, strict=True)]
        self.database.register("batch", pa.Table.from_arrays(arrays, schema=schema))
        self.database.execute(f"insert into {table} from batch")
        self.database.unregister("batch")

    def _screened(self) -> Iterator[tuple[object, ...]]:
        with Places() as places:
            for reference in self.pictures():
                picture = read_picture(Place.parse(reference, self._root), places)
                if isinstance(picture, str):
                    yield reference, None, None, None, None, picture
                else:
                    yield reference, picture.sha256, picture.width, picture.height, picture.look, None

    def _refuse_too_many(self, max_share: float) -> None:
        sql = "select (select count(*) from question) + (select count(*) from document), count(*) from faults where bad"
        row = self.database.execute(sql).fetchone()
        assert row is not None, "counts are a row"
        if not row[0] or row[1] > max_share * sum(row):
            bad = self.database.execute("select place, reason from faults where bad order by all").fetchall()
            refuse_if_too_many(row[0], bad, max_share)

    def _instruct(self, own: bool) -> None:
        self._run("instruct.sql")
        if not own:
            self.database.execute("delete from told")
        missing = self.database.execute(
            "select collection, asks, finds from told where prompt is null limit 1"
        ).fetchone()
        if missing:
            key = " ".join(missing).replace("image_text", "image,text")
            raise DataError(f"{self._root} has no instruction for {key}", "add a line to query_instructions.tsv for it")
        told = self.database.execute("select distinct prompt from told order by all").fetchall()
        prompts = {text: f"own:{hashlib.sha256(text.encode()).hexdigest()[:12]}" for (text,) in told}
        self.add(("prompts", (prompt_id, text)) for text, prompt_id in (prompts | _KNOWN_PROMPTS).items())

    def _tasks(self, names: Mapping[str, TaskName]) -> list[tuple[Task, str]]:
        """Return each task and control with its pool, and note them."""
        made: list[tuple[Task, str]] = []
        noted: list[tuple[object, ...]] = []
        pools: dict[tuple[str, str], str] = {}
        mixed = self._wanted.mixed
        of_pools: list[tuple[str, ...]] = []
        counts = self._execute((FOLDER / "counts.sql").read_text(encoding="utf-8"))
        for (
            name,
            asks,
            finds,
            of_split,
            n_asked,
            n_queries,
            limited,
            n_found,
            n_candidates,
            drawn,
            n_unanswered,
        ) in counts:
            sides = f"{SHORT[asks]}2{SHORT[finds]}"
            told = names[name]
            described = f"{told.about}: {_WORDS[asks]} to {_WORDS[finds]}, {n_asked:,} of {n_queries or 0:,} queries "
            among = f"candidates{' of every modality' * mixed}"
            described += f"among {n_found or 0:,} of {n_candidates or 0:,} {among}."
            task = replace(
                task_between(sides, f"{told.name}_{sides}", described, (), {}),
                primary_k=told.primary_k,
                queries_of=n_queries if limited else None,
                candidates_of=n_candidates if drawn else None,
                unanswered=n_unanswered,
            )
            pool_id = pools.setdefault(("" if mixed else finds, str(of_split)), task.task_id)
            if pool_id == task.task_id:
                of_pools += [(pool_id, finds, *pair) for pair in of_split]
            parts: list[tuple[Task, str, str | None]] = [(task, "", None)]
            if asks == "image_text":
                parts += [
                    (as_control(task, "image_only", {}), "picture_of_", "image"),
                    (as_control(task, "text_only", {}), "text_of_", "text"),
                ]
            made += [(part, pool_id) for part, _, _ in parts]
            noted += [
                (t.task_id, name, asks, finds, pool_id, t.query_prompt_id, t.control, t.control_of, part, modality)
                for t, part, modality in parts
            ]
        names_made = [task.task_id for task, _ in made]
        twice = next((one for one in names_made if names_made.count(one) > 1), None)
        if twice:
            raise DataError(f"two folders below {self._root} are the task {twice}", "keep one of them there")
        if not made:
            raise DataError(f"the data set {self._root} asks nothing", "judge queries of its test split")
        self.add(("tasks", row) for row in noted)
        self.add(("task_pools", row) for row in of_pools)
        return made


def _told(values: Sequence[object]) -> str:
    """Write values of a key as SQL does."""
    return ", ".join(f"'{_quoted(value)}'" for value in values)


def _quoted(value: object) -> str:
    return str(value).replace("'", "''")
