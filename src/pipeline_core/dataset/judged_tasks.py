"""Tasks of judged queries: one for each name and pair of modalities, with the controls of composed queries."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pipeline_core.dataset import prompts
from pipeline_core.dataset.judged import Item, Judged
from pipeline_core.dataset.screening import Picture
from pipeline_core.dataset.splits import SPLITS, furthest_from_training
from pipeline_core.dataset.tasks import (
    EVALUATED_SPLITS,
    SHORT,
    Modality,
    Query,
    Sample,
    Task,
    as_control,
    judge_equal_content_equally,
    task_between,
)

_DEFAULT_NAME = "queries"

_KNOWN_PROMPTS = {text: prompt_id for prompt_id, text in prompts.PROMPTS.items()}


@dataclass
class JudgedTasks:
    """Tasks, the samples that they and training need, matched pairs, own instructions, and items that no task needs."""

    tasks: list[Task] = field(default_factory=list)
    samples: dict[str, Sample] = field(default_factory=dict)
    pairs: dict[tuple[str, str], None] = field(default_factory=dict)
    prompts: dict[str, str] = field(default_factory=dict)
    unused: list[tuple[str, str]] = field(default_factory=list)


def document_samples(judged: Judged) -> dict[str, Sample]:
    """Return the sample of each document of the corpus by its id.

    One that answers no query is in the split furthest from training that has queries. Documents with one picture share
    a group, within a split.
    """
    splits = judged.document_splits
    other = furthest_from_training(judged.splits[i] for i in judged.queries) if judged.queries else SPLITS[-1]
    first: dict[tuple[str, str], str] = {}
    samples: dict[str, Sample] = {}
    for document_id, item in judged.documents.items():
        split, picture = splits.get(document_id, other), _picture(judged, item)
        sample_id = f"corpus:{document_id}"
        group = first.setdefault((picture.look, split), sample_id) if picture else sample_id
        samples[document_id] = Sample(sample_id, item.text, picture, group, split)
    return samples


def judged_tasks(
    judged: Judged, documents: Mapping[str, Sample], *, mixed: bool = False, asks_all: bool = False
) -> JudgedTasks:
    """Return the tasks that queries make, each on the splits that have its queries.

    Args:
        judged: queries and answers.
        documents: what they are asked of, by id.
        mixed: pools hold documents of every modality; those of the one asked for are right or wrong, and a query's
            right answers of others are none of its candidates.
        asks_all: as in ``judge_equal_content_equally``; a query without a judged answer is asked in every task of its
            name and modality.
    """
    made = JudgedTasks()
    asking = {i: _query_sample(judged, item) for i, item in judged.queries.items()}
    asked: dict[tuple[str, Modality, Modality], list[str]] = defaultdict(list)
    evaluated = [query_id for query_id, sample in asking.items() if sample.split in EVALUATED_SPLITS]
    of_task = {i: (judged.queries[i].task or _DEFAULT_NAME, asking[i].modality) for i in evaluated}
    for query_id in evaluated:
        for modality in sorted({documents[i].modality for i in judged.answers[query_id]}):
            asked[*of_task[query_id], modality].append(query_id)
    for query_id in evaluated:
        for key in (key for key in asked if key[:2] == of_task[query_id] and not judged.answers[query_id]):
            asked[key].append(query_id)
    pools = {split: {documents[i].sample_id for i in pool} for split, pool in judged.pools.items()}
    for (name, query_modality, candidate_modality), query_ids in sorted(asked.items()):
        pool = {s.sample_id: s for s in documents.values() if mixed or s.modality == candidate_modality}
        shown: dict[str, list[Sample]] = defaultdict(list)
        for sample in pool.values():
            if sample.picture:
                shown[sample.picture.look].append(sample)
        queries = tuple(
            _query(judged, made, i, asking[i], documents, pool, shown, candidate_modality) for i in query_ids
        )
        made.samples |= pool | {asking[i].sample_id: asking[i] for i in query_ids}
        sides = f"{SHORT[query_modality]}2{SHORT[candidate_modality]}"
        among = f"{judged.among}{', of every modality' * mixed}"
        described = f"{judged.about}: {_words(query_modality)} to {_words(candidate_modality)}, {among}."
        searched: dict[str | None, tuple[str, ...]] = {
            split: tuple(i for i in pool if i in ids) for split, ids in pools.items()
        }
        task = task_between(sides, f"{name}_{sides}", described, queries, searched or {None: tuple(pool)})
        unasked = sum((i.task or _DEFAULT_NAME, i.modality) == (name, query_modality) for i in judged.unasked)
        task = replace(task, primary_k=judged.primary_k, unanswered=unasked)
        task = judge_equal_content_equally(task, made.samples, asks_all=asks_all)
        made.tasks.append(task)
        if query_modality == "image_text":
            made.tasks += _controls(made, task)
    _add_training(judged, made, asking, documents)
    return made


def _query_sample(judged: Judged, item: Item) -> Sample:
    sample_id = f"query:{item.item_id}"
    return Sample(sample_id, item.text, _picture(judged, item), sample_id, judged.splits[item.item_id])


def _query(
    judged: Judged,
    made: JudgedTasks,
    query_id: str,
    sample: Sample,
    documents: Mapping[str, Sample],
    pool: Mapping[str, Sample],
    shown: Mapping[str, list[Sample]],
    wanted: Modality,
) -> Query:
    """Return a query: its own picture is excluded unless it is an answer, as nobody looks for what they show.

    Args:
        judged: queries and answers.
        made: where its own instruction is noted.
        query_id: the query.
        sample: what asks.
        documents: what can be found, by id.
        pool: those of the task, by sample id.
        shown: those of the task by look.
        wanted: the modality that is asked for.
    """
    answers = {documents[i].sample_id: score for i, score in judged.answers[query_id].items()}
    relevant = {i: score for i, score in answers.items() if i in pool and pool[i].modality == wanted}
    right = {pool[i].content for i in relevant}
    alike = shown.get(sample.picture.look, ()) if sample.picture else ()
    excluded = frozenset(other.sample_id for other in alike if other.content not in right)
    excluded |= (answers.keys() & pool.keys()) - relevant.keys()
    prompt = judged.queries[query_id].prompt
    prompt_id = None
    if prompt:
        prompt_id = _KNOWN_PROMPTS.get(prompt) or f"own:{hashlib.sha256(prompt.encode()).hexdigest()[:12]}"
        made.prompts[prompt_id] = prompt
    return Query(sample.sample_id, sample.sample_id, sample.split, relevant, excluded, prompt_id)


def _controls(made: JudgedTasks, task: Task) -> list[Task]:
    """Return the controls of a task with composed queries, and add what they ask with to ``made.samples``."""
    images: dict[str, str] = {}
    texts: dict[str, str] = {}
    for sample_id in {query.sample_id: None for query in task.queries}:
        whole = made.samples[sample_id]
        image = replace(whole, sample_id=f"picture_of_{sample_id}", text=None)
        text = replace(whole, sample_id=f"text_of_{sample_id}", picture=None)
        images[sample_id], texts[sample_id] = image.sample_id, text.sample_id
        made.samples |= {image.sample_id: image, text.sample_id: text}
    return [as_control(task, "image_only", images), as_control(task, "text_only", texts)]


def _add_training(
    judged: Judged, made: JudgedTasks, asking: Mapping[str, Sample], documents: Mapping[str, Sample]
) -> None:
    """Add queries of the train split, whose modality some task knows an instruction for, and pairs of all splits."""
    known = {modality for task in made.tasks for modality in (task.query_modality, task.candidate_modality)}
    for query_id, sample in asking.items():
        if sample.split == "train" and sample.modality in known:
            made.samples[sample.sample_id] = sample
        for answer in (documents[i] for i in judged.answers[query_id]):
            sides = {side.modality: side.sample_id for side in (sample, answer)}
            if sides.keys() == {"image", "text"} and sample.split == answer.split:
                made.pairs[sides["image"], sides["text"]] = None
    items = (
        *((judged.queries[i], s) for i, s in asking.items()),
        *((judged.documents[i], documents[i]) for i in judged.documents),
    )
    for item, sample in items:
        if sample.sample_id not in made.samples:
            made.unused.append((item.place, f"no task of support, validation or test has {_words(sample.modality)}"))
    made.pairs = {pair: None for pair in made.pairs if pair[0] in made.samples and pair[1] in made.samples}


def _picture(judged: Judged, item: Item) -> Picture | None:
    return judged.pictures[item.picture] if item.picture else None


def _words(modality: Modality) -> str:
    return {"text": "texts", "image": "pictures", "image_text": "pictures with texts"}[modality]
