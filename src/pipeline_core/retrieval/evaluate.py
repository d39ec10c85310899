"""The retrieval stage: one representation on every task and its controls, by every system of an analysis.

A task is a part: its files lie among those of the others, and its rows aside until all tasks are scored, because tests
are corrected over all.
"""

import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from pipeline_core.activations.vectors import embedding_width
from pipeline_core.retrieval.adaptations import Scope
from pipeline_core.retrieval.judgements import Pool
from pipeline_core.retrieval.saes import read_saes
from pipeline_core.retrieval.scoring import hit_rows
from pipeline_core.retrieval.search import SearchResult
from pipeline_core.retrieval.settings import RetrievalSettings
from pipeline_core.retrieval.study import Bench, Rows, Scorer, Study, write_study
from pipeline_core.retrieval.systems import comparisons, list_singles, list_systems, system_id
from pipeline_core.retrieval.trec import write_qrels, write_run
from pipeline_core.schema.parquet import read_table, write_aside, write_table
from pipeline_core.store.durable import clear_unfinished, whole_files

EXPORTED = ("raw", "realign")
"""Systems whose result lists are also written as TREC run files."""

_ROWS = ".rows"
_SEAL = "retrieval_metrics"
"""The table that every task has rows of, whose rows come last."""


def task_scorer(bench: Bench, settings: RetrievalSettings) -> Callable[[int], None]:
    """Prepare an analysis; what is returned scores the task of a number, in ascending order of id.

    Result lists are of the test split: table ``retrieval_hits``. Files besides the tables:
    ``adaptations/<task>.safetensors`` (each named system: ``<short>/queries`` and ``<short>/candidates``),
    ``trec/<task>.qrels``, ``trec/<task>.<system>.run``.

    Args:
        bench: what is scored; the features of its autoencoders are removed.
        settings: length of the lists, features removed one at a time.

    Raises:
        DataError: a task has no queries, no candidates, nothing relevant, or too few to fit on, in a split.
        ConfigError: the features to be removed span the whole space.
    """
    study = _study(replace(bench, progress=lambda done, total: None), settings)
    scorer = Scorer(study)
    exported = {short: study.id(system) for system in study.systems if (short := system.short) in EXPORTED}

    def score_task(number: int) -> None:
        with whole_files(bench.folder, f"{number:05d}", str(_rows_file(number, _SEAL))) as aside:

            def keep(pool: Pool, results: Mapping[str, SearchResult]) -> None:
                hits = hit_rows(pool, {name: result for name, result in results.items() if name in study.saved})
                write_table(aside, "retrieval_hits", hits, shard=number)
                _write_trec(aside / "trec", pool, hits, exported)

            (aside / "trec").mkdir()
            rows = scorer.score([scorer.tasks[number]], aside, keep)
            for (table, _), frames in rows.items():
                file = aside / _rows_file(number, table)
                file.parent.mkdir(parents=True, exist_ok=True)
                write_aside(file, pl.concat(frames, how="vertical_relaxed"))

    return score_task


def is_scored(folder: Path, number: int) -> bool:
    """Say whether a task is scored: rows come last of what is written of it."""
    return (folder / _rows_file(number, _SEAL)).is_file()


def seal_tasks(bench: Bench, settings: RetrievalSettings) -> None:
    """Write the tables over all tasks, once all are scored, and remove what scoring them left."""
    rows: Rows = defaultdict(list)
    for number, control in enumerate(read_table(bench.dataset, "tasks").sort("task_id")["control"]):
        for file in sorted((bench.folder / _rows_file(number, _SEAL)).parent.glob("*.parquet")):
            rows[file.stem, control == "none"].append(pl.read_parquet(file))
    write_study(_study(bench, settings), rows)
    shutil.rmtree(bench.folder / _ROWS)
    clear_unfinished(bench.folder)


def _rows_file(number: int, table: str) -> Path:
    return Path(_ROWS, f"{number:05d}", f"{table}.parquet")


def _study(bench: Bench, settings: RetrievalSettings) -> Study:
    model, saes = bench.model, read_saes(bench.saes, bench.dataset)
    width = embedding_width(bench.activations)
    scope = Scope(width, bench.adaptations, saes, settings.single_features, bench.scoring.seed)
    systems = list_systems(scope)
    return Study(
        "retrieval",
        bench,
        systems,
        tuple(comparisons(systems, bench.adaptations)),
        list_singles(scope),
        listed=frozenset(system_id(model, system) for system in systems if system.named),
        # Shuffled pairs have the lists of what they control.
        saved=frozenset(system_id(model, system) for system in systems if system.named and system.control == "none"),
        depth=settings.depth,
        controls=True,
    )


def _write_trec(folder: Path, pool: Pool, hits: pl.DataFrame, exported: Mapping[str, str]) -> None:
    query_ids, candidate_ids = pl.Series(pool.query_ids), pl.Series(pool.candidate_ids)
    qrels = {
        "query_id": query_ids[pool.relevant[:, 0]],
        "sample_id": candidate_ids[pool.relevant[:, 1]],
        "relevance": pool.relevance,
    }
    write_qrels(folder / f"{pool.task_id}.qrels", pl.DataFrame(qrels))
    for short, name in exported.items():
        write_run(folder / f"{pool.task_id}.{short}.run", hits.filter(system_id=name), name)
