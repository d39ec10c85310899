"""Retrieval tasks and their two laws: equal content is judged equally, a control changes nothing but its queries."""

from collections import defaultdict
from collections.abc import ItemsView, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pipeline_core.dataset import prompts
from pipeline_core.dataset.screening import Picture

EVALUATED_SPLITS = ("support", "validation", "test")
PRIMARY_K = 5

Modality = Literal["image", "text", "image_text"]
SHORT: dict[Modality, str] = {"image": "i", "text": "t", "image_text": "it"}
"""How task types write a modality."""

_COMPOSED_PROMPTS: dict[Modality, str] = {
    "image": prompts.IMAGE_QUESTION,
    "text": prompts.IMAGE_SENTENCE,
    "image_text": prompts.IMAGE_AND_SENTENCE,
}
"""Prompt of a composed query by what it asks for."""

Content = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class Sample:
    """What can be embedded: a picture, a text, or both."""

    sample_id: str
    text: str | None
    picture: Picture | None
    group: str
    split: str

    @property
    def modality(self) -> Modality:
        """What the sample consists of."""
        if self.picture is None:
            return "text"
        return "image" if self.text is None else "image_text"

    @property
    def content(self) -> Content:
        """What a model is shown, whatever the sample is called: its text, and its picture's pixels."""
        return self.text, self.picture.look if self.picture else None


@dataclass(frozen=True, slots=True)
class Query:
    """A query of a task.

    Attributes:
        query_id: unique in the task.
        sample_id: the sample that asks.
        split: where it is asked.
        relevant: candidates that answer it, and how well: 1 or more.
        excluded: candidates that it may not be given.
        prompt_id: an instruction of its own; None is the task's.
    """

    query_id: str
    sample_id: str
    split: str
    relevant: Mapping[str, int]
    excluded: frozenset[str] = frozenset()
    prompt_id: str | None = None


@dataclass(frozen=True)
class Task:
    """One retrieval task on every evaluated split.

    Attributes:
        task_id: short name, e.g. ``it2i``.
        query_modality: modality of the queries.
        candidate_modality: modality of the candidates that answer; a mixed pool holds others, too.
        query_prompt_id: instruction for the queries that have none of their own.
        candidate_prompt_id: instruction for the candidates of that modality; others have that of ``prompts.PLAIN``.
        description: the task in one sentence.
        queries: queries of all splits.
        candidates: sample ids of each split's pool; under None, of one that every split searches.
        primary_k: the cut-off that it is read at first.
        control: what a control's queries keep of the composed query.
        control_of: the task that this is the control of.
        queries_of: queries of the test split that there are, where a declared sample of them is asked.
        candidates_of: candidates that there are, where a declared sample of them is searched.
        unanswered: queries of the test split that are not asked, as nothing usable answers them.
    """

    task_id: str
    query_modality: Modality
    candidate_modality: Modality
    query_prompt_id: str
    candidate_prompt_id: str
    description: str
    queries: tuple[Query, ...]
    candidates: Mapping[str | None, tuple[str, ...]]
    primary_k: int = PRIMARY_K
    control: Literal["none", "image_only", "text_only"] = "none"
    control_of: str | None = None
    queries_of: int | None = None
    candidates_of: int | None = None
    unanswered: int = 0

    @property
    def task_type(self) -> str:
        """The paper's task type, e.g. ``it->i``; a control is of its task's type."""
        asked: Modality = "image_text" if self.control_of else self.query_modality
        return f"{SHORT[asked]}->{SHORT[self.candidate_modality]}"


def task_between(
    sides: str,
    task_id: str,
    description: str,
    queries: tuple[Query, ...],
    candidates: Mapping[str | None, tuple[str, ...]],
) -> Task:
    """Return a task whose instructions are those of what it asks with and for.

    Args:
        sides: short names of the modalities of queries and candidates, e.g. ``it2i``.
        task_id: the task.
        description: in one sentence.
        queries: of all splits.
        candidates: sample ids of each split's pool.
    """
    query, candidate = ({short: modality for modality, short in SHORT.items()}[side] for side in sides.split("2"))
    asked = _COMPOSED_PROMPTS[candidate] if query == "image_text" else prompts.PLAIN[query]
    given = prompts.IMAGE_AND_SENTENCE if query == candidate == "image_text" else prompts.PLAIN[candidate]
    return Task(task_id, query, candidate, asked, given, description, queries, candidates)


def judge_equal_content_equally(task: Task, samples: Mapping[str, Sample], *, asks_all: bool = False) -> Task:
    """Extend judgements and exclusions to candidates and queries of the same content; drop unanswerable queries.

    Two flags of one look, or two names with the same keywords, cannot be told apart by any model: judging one of
    them wrong would measure luck. An exclusion outweighs a judgement. Judgements are kept as classes: where kinds of
    pictures share their texts, there are more pairs than memory holds.

    Args:
        task: a task as its source judges it.
        samples: what asks and can be found, by id.
        asks_all: unanswerable queries stay.
    """
    ids_of: dict[str | None, dict[Content, list[str]]] = {}
    for split, pool in task.candidates.items():
        ids_of[split] = defaultdict(list)
        for sample_id in pool:
            ids_of[split][samples[sample_id].content].append(sample_id)

    def shown(query: Query) -> tuple[str, Content, str | None]:
        return query.split, samples[query.sample_id].content, query.prompt_id

    answers: dict[tuple[str, Content, str | None], dict[Content, int]] = defaultdict(dict)
    for query in task.queries:
        found = answers[shown(query)]
        for sample_id, grade in query.relevant.items():
            content = samples[sample_id].content
            found[content] = max(grade, found.get(content, 0))

    def judged(query: Query) -> Query:
        searched = ids_of.get(query.split if query.split in ids_of else None, {})
        excluded = query.excluded
        if excluded:
            excluded = frozenset(i for e in excluded for i in searched.get(samples[e].content, ()))
        return replace(query, relevant=_Alike(answers[shown(query)], searched, excluded), excluded=excluded)

    asked = [*map(judged, task.queries)]
    if asks_all:
        return replace(task, queries=tuple(asked))
    dropped = sum(not query.relevant and query.split == "test" for query in asked)
    kept = tuple(query for query in asked if query.relevant)
    return replace(task, queries=kept, unanswered=task.unanswered + dropped)


class _Alike(Mapping[str, int]):
    """What answers a query, kept as the contents that are right; pairs are made when they are gone through."""

    __slots__ = ("_excluded", "_grades", "_ids_of")

    def __init__(
        self, grades: Mapping[Content, int], ids_of: Mapping[Content, list[str]], excluded: frozenset[str]
    ) -> None:
        self._grades, self._ids_of, self._excluded = grades, ids_of, excluded

    def _pairs(self) -> Iterator[tuple[str, int]]:
        for content, grade in self._grades.items():
            for sample_id in self._ids_of.get(content, ()):
                if sample_id not in self._excluded:
                    yield sample_id, grade

    def __iter__(self) -> Iterator[str]:
        return (sample_id for sample_id, _ in self._pairs())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return any(True for _ in self)

    def __getitem__(self, sample_id: str) -> int:
        return dict(self._pairs())[sample_id]

    def items(self) -> ItemsView[str, int]:
        return dict(self._pairs()).items()


def as_control(task: Task, keep: Literal["image_only", "text_only"], part_of: Mapping[str, str]) -> Task:
    """Return the control of a composed task whose queries keep one part: same ids, judgements and candidates.

    A query's own instruction stays too; the others get that of the part.

    Args:
        task: a task with composed queries.
        keep: the part that the queries keep.
        part_of: sample id of that part for each composed query sample.
    """
    modality: Modality = "image" if keep == "image_only" else "text"
    part = "picture" if keep == "image_only" else "edit"
    return replace(
        task,
        task_id=f"{task.task_id}_{keep}",
        query_modality=modality,
        query_prompt_id=prompts.PLAIN[modality],
        description=f"Control of {task.task_id}: the query's {part} alone.",
        queries=tuple(replace(query, sample_id=part_of[query.sample_id]) for query in task.queries),
        control=keep,
        control_of=task.task_id,
    )
