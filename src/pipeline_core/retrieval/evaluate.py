"""The retrieval stage: one representation on every task and its controls, by every system of an analysis."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from pipeline_core.activations.vectors import embedding_width
from pipeline_core.retrieval.adaptations import Scope
from pipeline_core.retrieval.judgements import Pool
from pipeline_core.retrieval.saes import read_saes
from pipeline_core.retrieval.scoring import hit_rows
from pipeline_core.retrieval.search import SearchResult
from pipeline_core.retrieval.settings import RetrievalSettings
from pipeline_core.retrieval.study import Bench, Study, score_study
from pipeline_core.retrieval.systems import comparisons, list_singles, list_systems, system_id
from pipeline_core.retrieval.trec import write_qrels, write_run
from pipeline_core.schema.parquet import write_table

EXPORTED = ("raw", "realign")
"""Systems whose result lists are also written as TREC run files."""


def evaluate(bench: Bench, settings: RetrievalSettings) -> None:
    """Score one representation and write the retrieval tables.

    Result lists are of the test split. So are the files besides the tables: ``adaptations/<task>.safetensors`` (each
    named system: ``<short>/queries`` and ``<short>/candidates``), ``trec/<task>.qrels``, ``trec/<task>.<system>.run``.

    Args:
        bench: what is scored; the features of its autoencoders are removed.
        settings: length of the lists, features removed one at a time.

    Raises:
        DataError: a task has no queries, no candidates, nothing relevant, or too few to fit on, in a split.
        ConfigError: the features to be removed span the whole space.
    """
    model, saes = bench.model, read_saes(bench.saes, bench.dataset)
    width = embedding_width(bench.activations)
    scope = Scope(width, bench.adaptations, saes, settings.single_features, bench.scoring.seed)
    systems = list_systems(scope)
    # Shuffled pairs have the lists of what they control.
    kept = frozenset(system_id(model, system) for system in systems if system.named and system.control == "none")
    study = Study(
        "retrieval",
        bench,
        systems,
        tuple(comparisons(systems, bench.adaptations)),
        list_singles(scope),
        listed=frozenset(system_id(model, system) for system in systems if system.named),
        saved=kept,
        depth=settings.depth,
        controls=True,
    )
    (bench.folder / "trec").mkdir(exist_ok=True)
    exported = {short: system_id(model, system) for system in systems if (short := system.short) in EXPORTED}

    def keep(number: int, pool: Pool, results: Mapping[str, SearchResult]) -> None:
        hits = hit_rows(pool, {name: result for name, result in results.items() if name in kept})
        write_table(bench.folder, "retrieval_hits", hits, shard=number)
        _write_trec(bench.folder / "trec", pool, hits, exported)

    score_study(study, keep)


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
