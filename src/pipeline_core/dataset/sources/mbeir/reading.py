"""M-BEIR read as a data set: of each task the queries and candidates that are wanted, each file in one pass.

The benchmark's splits stay: its test split is test, ``val`` is validation. Support is set aside from its train split,
so that no answer of a support query trains anything. Pools are the published ones; a query of the support split is
asked of its own answers and hard negatives, as a pool of the train split is larger than any that is scored.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline_core.dataset.files import identify
from pipeline_core.dataset.judged import Item, Judged, screened
from pipeline_core.dataset.judged_tasks import document_samples, judged_tasks
from pipeline_core.dataset.prompts import PROMPTS
from pipeline_core.dataset.screening import refuse_if_too_many
from pipeline_core.dataset.sources.mbeir import MBeirSettings
from pipeline_core.dataset.sources.mbeir.lines import (
    Asked,
    read_candidates,
    read_instructions,
    read_judgements,
    read_queries,
)
from pipeline_core.dataset.splits import furthest_from_training, stable_order
from pipeline_core.dataset.tables import Dataset
from pipeline_core.dataset.tasks import PRIMARY_K, Sample, Task
from pipeline_core.errors import DataError

_SPLITS = {"train": "train", "val": "validation", "test": "test"}
_INSTRUCTIONS = "query_instructions.tsv"
_TEN = ("fashion200k_", "fashioniq_")
"""Data sets that M-BEIR scores at 10; all others at 5."""


@dataclass
class _Wanted:
    """What is chosen of a task before pictures are looked at.

    Attributes:
        files: those that were read, below the folder.
        queries: by id.
        splits: of each query.
        answers: of each query, with how well they answer.
        needed: for each split, right answers and hard negatives.
        pools: for each split, all that is searched.
        candidates: by id.
        modalities: of queries and candidates, as M-BEIR writes them.
        counts: what there is to choose from: queries of the test split, candidates of its pool.
        quarantine: (line, reason).
    """

    files: list[str] = field(default_factory=list)
    queries: dict[str, Item] = field(default_factory=dict)
    splits: dict[str, str] = field(default_factory=dict)
    answers: dict[str, dict[str, int]] = field(default_factory=dict)
    needed: dict[str, set[str]] = field(default_factory=dict)
    pools: dict[str, set[str]] = field(default_factory=dict)
    candidates: dict[str, Item] = field(default_factory=dict)
    modalities: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=lambda: {"queries": 0, "candidates": 0})
    quarantine: list[tuple[str, str]] = field(default_factory=list)


def mbeir_identity(root: Path, settings: MBeirSettings) -> str:
    """Return a digest of the files that the tasks need, and of the pictures that their rows name.

    Raises:
        DataError: a file is missing or unreadable.
    """
    tasks = [_wanted(root, task, settings) for task in settings.tasks]
    items = (item for task in tasks for item in (*task.queries.values(), *task.candidates.values()))
    files = dict.fromkeys(file for task in tasks for file in task.files)
    return identify(root, files, {item.picture for item in items if item.picture})


def read_mbeir(root: Path, settings: MBeirSettings) -> Dataset:
    """Read and screen the tasks.

    Raises:
        DataError: a file is missing or unreadable, or too many rows are bad.
    """
    samples: dict[str, Sample] = {}
    pairs: dict[tuple[str, str], None] = {}
    tasks: list[Task] = []
    quarantine: list[tuple[str, str]] = []
    prompts: dict[str, str] = {}
    for task in settings.tasks:
        judged = _judged(root, task, _wanted(root, task, settings), settings)
        made = judged_tasks(judged, document_samples(judged))
        for name, sample in made.samples.items():
            known = samples.get(name, sample)
            samples[name] = replace(sample, split=furthest_from_training((sample.split, known.split)))
        pairs |= made.pairs
        tasks += made.tasks
        prompts |= made.prompts
        quarantine += [*judged.quarantine, *made.unused]
    return Dataset(
        tuple(samples.values()),
        tuple(pair for pair in pairs if samples[pair[0]].split == samples[pair[1]].split),
        tuple(tasks),
        tuple(quarantine),
        root,
        PROMPTS | prompts,
        published=True,
    )


def _judged(root: Path, task: str, wanted: _Wanted, settings: MBeirSettings) -> Judged:
    """Return what is asked and right in a task, of items whose pictures can be read."""
    judged = Judged(quarantine=list(wanted.quarantine), about=f"M-BEIR {task}")
    judged.primary_k = 10 if task.startswith(_TEN) else PRIMARY_K
    judged.documents = screened(root, wanted.candidates.values(), judged)
    queries = screened(root, _instructed(root, wanted, settings), judged)
    for query_id, query in queries.items():
        answers = {i: grade for i, grade in wanted.answers[query_id].items() if i in judged.documents}
        if answers:
            judged.queries[query_id], judged.splits[query_id] = query, wanted.splits[query_id]
            judged.answers[query_id] = answers
        else:
            judged.quarantine.append((query.place, "no usable candidate answers it"))
    judged.pools = {split: frozenset(pool & judged.documents.keys()) for split, pool in wanted.pools.items()}
    refuse_if_too_many(len(queries) + len(judged.documents), judged.quarantine, settings.max_quarantine_share)
    n_queries, n_found = (sum(s == "test" for s in judged.splits.values()), len(judged.pools.get("test", ())))
    judged.among = f"{n_queries:,} of {wanted.counts['queries']:,} queries among {n_found:,} of "
    judged.among += f"{wanted.counts['candidates']:,} candidates"
    return judged


def _wanted(root: Path, task: str, settings: MBeirSettings) -> _Wanted:
    """Choose queries, then the candidates that they need."""
    wanted = _Wanted()
    files = {published: _files(root, task, published, settings) for published in _SPLITS}
    if files["test"] is None:
        there = sorted(p.name for place in ("query/test", "") for p in (root / place).glob("mbeir_*_test.jsonl"))
        raise DataError(
            f"{root} has no mbeir_{task}_test.jsonl", f"it has {', '.join(there) or 'no queries of M-BEIR at all'}"
        )
    of_pool: dict[str, list[str]] = {}
    for published, found in files.items():
        if found is None:
            continue
        queries, qrels, pool = found
        wanted.files += [file for file in found if file and file not in wanted.files]
        chosen = _choose(list(_asked(root, task, queries, qrels, wanted)), published, settings, wanted)
        for split in {wanted.splits[i] for i in chosen}:
            of_pool.setdefault(pool, []).append(split)
    for pool, splits in of_pool.items():
        _read_pool(root, pool, splits, settings.distractors, wanted)
    return wanted


def _files(root: Path, task: str, published: str, settings: MBeirSettings) -> tuple[str, str | None, str] | None:
    """Return the files of a split: queries, judgements if there are any, pool; None where a task lacks the split."""
    queries = _first(root, f"query/{published}", f"mbeir_{task}_{published}.jsonl")
    if queries is None:
        return None
    local = [f"mbeir_{task}_{published}_cand_pool.jsonl", f"mbeir_{task}_cand_pool.jsonl"]
    union = [f"mbeir_union_{published}_cand_pool.jsonl", "mbeir_union_cand_pool.jsonl"]
    found = None if settings.pool == "union" else _first(root, "cand_pool/local", *local)
    if found is None and (settings.pool == "union" or published == "train"):
        found = _first(root, "cand_pool/global", *union)
    if found is None:
        wanted = local if settings.pool == "local" else union
        raise DataError(f"{root} has no candidates for {queries}", f"put {' or '.join(wanted)} there")
    return queries, _first(root, f"qrels/{published}", f"mbeir_{task}_{published}_qrels.txt"), found


def _first(root: Path, folder: str, *names: str) -> str | None:
    """Return the first file that is there, in M-BEIR's own folder for it or directly below the root."""
    places = [f"{place}{name}" for name in names for place in (f"{folder}/", "")]
    return next((place for place in places if (root / place).is_file()), None)


def _asked(root: Path, task: str, queries: str, qrels: str | None, wanted: _Wanted) -> Iterator[Asked]:
    """Go through usable queries that have an answer, and note how well each candidate answers."""
    judged: dict[str, dict[str, int]] = {}
    for query_id, candidate_id, grade in read_judgements(root, qrels) if qrels else ():
        if grade > 0:
            judged.setdefault(query_id, {})[candidate_id] = grade
    for one in read_queries(root, queries, task):
        if not isinstance(one, Asked):
            wanted.quarantine.append(one)
            continue
        name = one.item.item_id
        answers = judged.get(name, {}) if qrels else dict.fromkeys(one.positives, 1)
        if name in wanted.answers:
            wanted.quarantine.append((one.item.place, f"the query {name} is there already"))
        elif answers:
            wanted.answers[name] = answers
            yield one
        else:
            wanted.quarantine.append((one.item.place, "no judged answer"))


def _choose(asked: list[Asked], published: str, settings: MBeirSettings, wanted: _Wanted) -> list[str]:
    """Choose queries by the order of their answers' digests, so that queries with one answer keep together."""
    asked.sort(key=lambda one: (stable_order("mbeir", min(wanted.answers[one.item.item_id])), one.item.item_id))
    if published == "test":
        wanted.counts["queries"] = len(asked)
    support: list[Asked] = asked[: min(settings.support, len(asked) // 2)] if published == "train" else []
    apart = {answer for one in support for answer in wanted.answers[one.item.item_id]}
    others = (one for one in asked[len(support) :] if not apart & wanted.answers[one.item.item_id].keys())
    kept = [*support[: settings.queries], *list(others)[: settings.queries]]
    for one in kept:
        name = one.item.item_id
        split = "support" if one in support else _SPLITS[published]
        wanted.queries[name], wanted.splits[name], wanted.modalities[name] = one.item, split, one.modality
        wanted.needed.setdefault(split, set()).update(wanted.answers[name], one.negatives)
    return [one.item.item_id for one in kept]


def _read_pool(root: Path, pool: str, splits: Iterable[str], distractors: int | None, wanted: _Wanted) -> None:
    """Keep what the splits need of a pool, and of the rest the first ``distractors`` by digest for those scored."""
    needed = {i for split in splits for i in wanted.needed[split]}
    scored = [split for split in splits if split in ("validation", "test")]
    count = 0

    def passing() -> Iterator[tuple[str, Item, str]]:
        nonlocal count
        for item, told in read_candidates(root, pool):
            if isinstance(item, str):
                wanted.quarantine.append((item, told))
                continue
            count += 1
            if item.item_id in needed:
                wanted.candidates.setdefault(item.item_id, item)
                wanted.modalities.setdefault(item.item_id, told)
            elif scored:
                yield stable_order("mbeir", item.item_id), item, told

    found = passing()
    others = list(found) if distractors is None else heapq.nsmallest(distractors, found, key=lambda other: other[0])
    for _, item, told in others:
        wanted.candidates[item.item_id], wanted.modalities[item.item_id] = item, told
    for split in splits:
        if split != "train":
            beside = {item.item_id for _, item, _ in others} if split in scored else set()
            wanted.pools[split] = (wanted.needed[split] | beside) & wanted.candidates.keys()
    if "test" in splits:
        wanted.counts["candidates"] = count


def _instructed(root: Path, wanted: _Wanted, settings: MBeirSettings) -> list[Item]:
    """Return the queries, with M-BEIR's own instruction if that is wanted."""
    if settings.instructions == "released":
        return list(wanted.queries.values())
    file = _first(root, "instructions", _INSTRUCTIONS)
    if file is None:
        raise DataError(f"{root} has no {_INSTRUCTIONS}", "put it there, or set dataset.instructions=released")
    told: Mapping[tuple[str, str, str], str] = read_instructions(root, file)
    instructed = []
    for name, item in wanted.queries.items():
        answer = next((i for i in sorted(wanted.answers[name]) if i in wanted.modalities), None)
        key = (name.partition(":")[0], wanted.modalities[name], wanted.modalities.get(answer or "", ""))
        if answer is not None and key not in told:
            raise DataError(f"{root / file} has no instruction for {' '.join(key)}", "add a line for it")
        instructed.append(replace(item, prompt=told.get(key)))
    return instructed
