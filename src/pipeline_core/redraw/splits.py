"""A data set whose held-out groups are drawn anew: same samples, other support and validation, same train and test.

It works on the tables of a dataset artifact: nothing is read from the source, and no sample is new, so that stored
embeddings serve both.
"""

import json
import shutil
from pathlib import Path

import polars as pl

from pipeline_core.dataset.images import IMAGES_FILE, SOURCE_FILE
from pipeline_core.dataset.splits import Group, draw_held_out
from pipeline_core.dataset.tables import PUBLISHED
from pipeline_core.schema import tables_of
from pipeline_core.schema.parquet import read_table, write_table

HELD_OUT = ("support", "validation")

_QUERY = ["task_id", "query_id"]
_ANSWER = ["task_id", "query_id", "sample_id"]

Tables = dict[str, pl.DataFrame]


def redraw_splits(dataset: Path, seed: int, folder: Path) -> None:
    """Write the data set of another one, its held-out groups drawn anew between support and validation.

    Strata are not stored; here a stratum is the groups that ask in the same tasks, so that each task keeps about half
    of its held-out queries in either split. Groups without a candidate stay: they hold what all families of a split ask
    with, such as the phrases of text-only controls. Candidates, pairs and queries follow their samples; a control
    follows its task, and asks with a sample of the same content in its new split.

    Equal content that comes to share a split is judged alike. Content is the text and the digest of the picture's file:
    pictures that look the same in different files share a group already. A query that loses its sample or its relevant
    candidates is dropped, from its task and from the task's controls; without candidates alone it
    stays in a data set that asks what nothing answers.

    Splits that were given with the data stay as they are: a benchmark keeps those that it was published with.

    Args:
        dataset: folder of the dataset artifact to start from.
        seed: decides between support and validation.
        folder: folder of the new artifact.

    Raises:
        StoreError: a table of ``dataset`` is missing or unreadable.
    """
    tables = {table.name: read_table(dataset, table.name) for table in tables_of("dataset")}
    if not _published(dataset):
        tables = _moved(tables, draw_held_out(_groups(tables), seed))
    for name, table in tables.items():
        write_table(folder, name, table)
    for name in (IMAGES_FILE, SOURCE_FILE):
        if (dataset / name).is_file():
            shutil.copyfile(dataset / name, folder / name)


def _published(dataset: Path) -> bool:
    source = dataset / SOURCE_FILE
    return source.is_file() and json.loads(source.read_text(encoding="utf-8")).get("splits") == PUBLISHED


def _groups(tables: Tables) -> list[Group]:
    """Return the held-out groups that have a candidate; a group's size is the number of its pictures in pairs."""
    samples = tables["samples"].select("sample_id", "group", "split")
    asking = tables["queries"].join(tables["tasks"].filter(control="none"), on="task_id", how="semi")
    strata = (
        asking.join(samples, on="sample_id")
        .group_by("group")
        .agg(stratum=pl.col("task_id").unique().sort().str.join(" "))
    )
    pictures = tables["pairs"].select(sample_id="image_id").unique()
    sizes = pictures.join(samples, on="sample_id").group_by("group").agg(size=pl.len())
    groups = (
        samples.filter(pl.col("split").is_in(HELD_OUT))
        .join(tables["candidates"], on="sample_id", how="semi")
        .select(pl.col("group").unique())
        .join(strata, on="group", how="left")
        .join(sizes, on="group", how="left")
        .select("group", pl.col("stratum").fill_null(""), pl.col("size").fill_null(1))
    )
    return [Group(*row) for row in groups.iter_rows()]


def _moved(tables: Tables, splits: dict[str, str]) -> Tables:
    """Return all tables after the groups have moved to their new ``splits``."""
    samples = tables["samples"].with_columns(split=pl.col("group").replace_strict(splits, default=pl.col("split")))
    fixed, held_out = _parted(tables)
    split_of = samples.select("sample_id", "split")
    families = tables["tasks"].select("task_id", family=pl.col("control_of").fill_null(pl.col("task_id")))

    candidates = held_out["candidates"].drop("split").unique().join(split_of, on="sample_id")
    of_all = fixed["candidates"].filter(pl.col("split").is_null()).drop("split")
    searched = pl.concat([candidates, of_all.join(pl.DataFrame({"split": HELD_OUT}), how="cross")], how="diagonal")
    searched = searched.join(tables["tasks"].select("task_id", "pool_id"), on="pool_id")
    queries = _follow(held_out["queries"], families, _contents(samples))
    plain = queries.join(tables["tasks"].filter(control="none"), on="task_id", how="semi")
    qrels, exclusions = _judged_alike(
        held_out["qrels"], held_out["exclusions"], plain, searched, _contents(samples).drop("split")
    )
    qrels, exclusions = (
        table.rename({"task_id": "family"}).join(families, on="family").drop("family") for table in (qrels, exclusions)
    )
    answered = queries.join(qrels, on=_QUERY, how="semi")
    asks_all = not tables["queries"].join(tables["qrels"], on=_QUERY, how="anti").is_empty()
    moved = {
        "candidates": candidates,
        "pairs": held_out["pairs"].drop("split").join(split_of, left_on="image_id", right_on="sample_id"),
        "queries": queries if asks_all else answered,
        "qrels": qrels,
        "exclusions": exclusions.join(queries if asks_all else answered, on=_QUERY, how="semi"),
    }
    joined = {name: pl.concat([fixed[name], rows.select(fixed[name].columns)]) for name, rows in moved.items()}
    return tables | joined | {"samples": samples}


def _parted(tables: Tables) -> tuple[Tables, Tables]:
    """Return the rows of train, test and all splits, which stay, and those of support and validation."""
    held_out = pl.col("split").is_in(HELD_OUT).fill_null(value=False)
    with_split = {name: tables[name] for name in ("candidates", "pairs", "queries")}
    fixed = {name: table.filter(~held_out) for name, table in with_split.items()}
    parted = {name: table.filter(held_out) for name, table in with_split.items()}
    for name in ("qrels", "exclusions"):
        fixed[name] = tables[name].join(parted["queries"], on=_QUERY, how="anti")
        parted[name] = tables[name].join(parted["queries"], on=_QUERY, how="semi")
    return fixed, parted


def _contents(samples: pl.DataFrame) -> pl.DataFrame:
    """Return (sample_id, split, content): samples with equal text and equal picture have one number."""
    shown = ["text", "sha256"]
    numbers = samples.select(shown).unique(maintain_order=True).with_row_index("content")
    return samples.join(numbers, on=shown, nulls_equal=True).select("sample_id", "split", "content")


def _follow(queries: pl.DataFrame, families: pl.DataFrame, contents: pl.DataFrame) -> pl.DataFrame:
    """Return queries in their new splits: a task's go where their samples are, a control's where its task's went.

    A sample that many families ask with cannot follow them all: its place is taken by one of the same content that the
    same task asked with in the other split. Without one, the query is dropped from all tasks of its ``family``.
    """
    queries = queries.drop("split").join(families, on="task_id")
    asked = queries.join(contents.rename({"split": "own_split"}), on="sample_id")
    place = asked.filter(pl.col("task_id") == pl.col("family")).select("family", "query_id", split="own_split")
    stand_ins = asked.group_by("task_id", "content", split="own_split").agg(stand_in=pl.col("sample_id").min())
    at_home = pl.col("own_split") == pl.col("split")
    return (
        asked.join(place, on=["family", "query_id"])
        .join(stand_ins, on=["task_id", "content", "split"], how="left")
        .with_columns(sample_id=pl.when(at_home).then("sample_id").otherwise("stand_in"))
        .filter(pl.col("sample_id").is_not_null().all().over("family", "query_id"))
        .select("task_id", "query_id", "sample_id", "split", "prompt_id")
    )


def _judged_alike(
    qrels: pl.DataFrame,
    exclusions: pl.DataFrame,
    queries: pl.DataFrame,
    candidates: pl.DataFrame,
    contents: pl.DataFrame,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return qrels and exclusions within the new pools, extended to queries and candidates of the same content.

    The law of ``tasks.judge_equal_content_equally``, on tables: an exclusion outweighs a judgement.
    """
    asked = queries.join(contents, on="sample_id").select("task_id", "query_id", "split", "prompt_id", asked="content")
    pool = candidates.join(contents, on="sample_id")

    def of_content(pairs: pl.DataFrame) -> pl.DataFrame:
        return pairs.join(asked, on=_QUERY).join(contents, on="sample_id").drop("sample_id")

    excluded = of_content(exclusions).join(pool, on=["task_id", "split", "content"]).select(_ANSWER).unique()
    relevant = (
        of_content(qrels)
        .group_by("task_id", "split", "prompt_id", "asked", "content")
        .agg(pl.col("relevance").max())
        .join(asked, on=["task_id", "split", "prompt_id", "asked"])
        .join(pool, on=["task_id", "split", "content"])
        .select(*_ANSWER, "relevance")
    )
    return relevant.join(excluded, on=_ANSWER, how="anti"), excluded
