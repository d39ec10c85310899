"""M-BEIR in the files of UniIR: which there are of a task and split, and their rows staged."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline_core.dataset.benchmark.staging import Staging
from pipeline_core.dataset.sources.mbeir import MBeirSettings
from pipeline_core.dataset.sources.mbeir.lines import Staged, read_candidates, read_judgements, read_queries
from pipeline_core.errors import DataError

_SPLITS = {"train": "train", "val": "validation", "test": "test"}


@dataclass(frozen=True)
class Files:
    """Files of one split of a task, below the folder: queries, what is searched, and judgements if there are any."""

    task: str
    published: str
    queries: str
    pool: str
    qrels: str | None


def holds(root: Path) -> bool:
    """Say whether a folder is of this layout."""
    return any(next(root.glob(place), None) for place in ("query/*/mbeir_*.jsonl", "mbeir_*.jsonl"))


def find(root: Path, settings: MBeirSettings) -> tuple[Files, ...]:
    """Return the files that the tasks need.

    Raises:
        DataError: a task has no queries in its test split, or no candidates.
    """
    return tuple(files for task in settings.tasks for files in _of_task(root, task, settings.pool))


def names_of(found: tuple[Files, ...]) -> list[str]:
    """Return all of them, each once, by their paths below the folder."""
    return list(dict.fromkeys(name for one in found for name in (one.queries, one.qrels, one.pool) if name))


def stage(root: Path, found: tuple[Files, ...], staging: Staging) -> Mapping[str, str]:
    """Add all rows, and return what each task is called.

    Raises:
        DataError: a file cannot be read as what it is.
    """
    pools: set[str] = set()

    def rows() -> Iterator[Staged]:
        for one in found:
            yield "searches", (one.task, one.published, one.pool, one.qrels is not None)
            yield from read_queries(root, one.queries, one.task, one.published, staging.file(one.queries, "line"))
            if one.qrels:
                yield from read_judgements(root, one.qrels, one.task, one.published)
            if one.pool not in pools:
                pools.add(one.pool)
                yield from read_candidates(root, one.pool, one.pool, staging.file(one.pool, "line"))

    staging.add(rows())
    return {one.task: one.task for one in found}


def _of_task(root: Path, task: str, searched: str) -> Iterator[Files]:
    if _first(root, "query/test", f"mbeir_{task}_test.jsonl") is None:
        there = sorted(p.name for place in ("query/test", "") for p in (root / place).glob("mbeir_*_test.jsonl"))
        raise DataError(
            f"{root} has no mbeir_{task}_test.jsonl", f"it has {', '.join(there) or 'no queries of M-BEIR at all'}"
        )
    for name, published in _SPLITS.items():
        queries = _first(root, f"query/{name}", f"mbeir_{task}_{name}.jsonl")
        if queries is None:
            continue
        local = [f"mbeir_{task}_{name}_cand_pool.jsonl", f"mbeir_{task}_cand_pool.jsonl"]
        union = [f"mbeir_union_{name}_cand_pool.jsonl", "mbeir_union_cand_pool.jsonl"]
        pool = None if searched == "union" else _first(root, "cand_pool/local", *local)
        if pool is None and (searched == "union" or name == "train"):
            pool = _first(root, "cand_pool/global", *union)
        if pool is None:
            wanted = local if searched == "local" else union
            raise DataError(f"{root} has no candidates for {queries}", f"put {' or '.join(wanted)} there")
        yield Files(task, published, queries, pool, _first(root, f"qrels/{name}", f"mbeir_{task}_{name}_qrels.txt"))


def _first(root: Path, folder: str, *names: str) -> str | None:
    """Return the first file that is there, in M-BEIR's own folder for it or directly below the root."""
    places = [f"{place}{name}" for name in names for place in (f"{folder}/", "")]
    return next((place for place in places if (root / place).is_file()), None)
