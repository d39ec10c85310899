"""The eight retrieval task types over emoji: plain ones from names and keywords, composed ones from edits."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from pipeline_core.dataset import prompts
from pipeline_core.dataset.sources.emoji.edits import Edit
from pipeline_core.dataset.sources.emoji.records import EmojiRecord
from pipeline_core.dataset.sources.emoji.samples import EmojiSamples
from pipeline_core.dataset.tasks import EVALUATED_SPLITS, Query, Task, as_control, judge_equal_content_equally

Pools = Mapping[str | None, tuple[str, ...]]


def _pools(records: Iterable[EmojiRecord], sample_of: Callable[[EmojiRecord], str | None]) -> Pools:
    """Return the samples of the records of each evaluated split, in order and without repetition."""
    pools: dict[str, dict[str, None]] = {split: {} for split in EVALUATED_SPLITS}
    for record in records:
        if record.split in pools:
            sample_id = sample_of(record)
            if sample_id is not None:
                pools[record.split][sample_id] = None
    return {split: tuple(pool) for split, pool in pools.items()}


def _matching(
    records: Iterable[EmojiRecord],
    query_of: Callable[[EmojiRecord], str | None],
    answer_of: Callable[[EmojiRecord], str | None],
) -> tuple[Query, ...]:
    """Return one query a query sample, answered by the answer samples of its records."""
    answers: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for record in records:
        query, answer = query_of(record), answer_of(record)
        if query is not None and answer is not None:
            answers[query, record.split][answer] = 1
    return tuple(Query(query, query, split, found) for (query, split), found in answers.items())


def plain_tasks(samples: EmojiSamples, records: Sequence[EmojiRecord]) -> list[Task]:
    """Return t->i, i->t, t->t in both directions, and i->i.

    Args:
        samples: makes the samples.
        records: all records; those without tone are the queries and pools of all but i->i.
    """
    untoned = [record for record in records if record.tone is None and record.split in EVALUATED_SPLITS]
    described = [record for record in untoned if samples.keywords(record)]
    tasks = (
        Task(
            "t2i",
            "text",
            "image",
            prompts.TEXT,
            prompts.IMAGE,
            "Name to picture, among pictures without skin tone: one picture a name.",
            _matching(untoned, samples.name, samples.image),
            _pools(untoned, samples.image),
        ),
        Task(
            "i2t",
            "image",
            "text",
            prompts.IMAGE,
            prompts.TEXT,
            "Picture to name, among pictures without skin tone: one name a picture.",
            _matching(untoned, samples.image, samples.name),
            _pools(untoned, samples.name),
        ),
        Task(
            "t2t_name_keywords",
            "text",
            "text",
            prompts.TEXT,
            prompts.TEXT,
            "Name to keywords, which do not contain the name.",
            _matching(described, samples.name, samples.keywords),
            _pools(described, samples.keywords),
        ),
        Task(
            "t2t_keywords_name",
            "text",
            "text",
            prompts.TEXT,
            prompts.TEXT,
            "Keywords to every name that has them.",
            _matching(described, samples.keywords, samples.name),
            _pools(described, samples.name),
        ),
        Task(
            "i2i",
            "image",
            "image",
            prompts.IMAGE,
            prompts.IMAGE,
            "Picture to its variants in tone, gender, hair or direction, its own picture excluded.",
            _variant_queries(samples, records),
            _pools(records, samples.image),
        ),
    )
    return [judge_equal_content_equally(task, samples.made) for task in tasks]


def _variant_queries(samples: EmojiSamples, records: Iterable[EmojiRecord]) -> tuple[Query, ...]:
    families: dict[str, list[EmojiRecord]] = defaultdict(list)
    for record in records:
        if record.split in EVALUATED_SPLITS:
            families[record.family].append(record)
    return tuple(
        Query(
            samples.image(record),
            samples.image(record),
            record.split,
            {samples.image(other): 1 for other in family if other is not record},
            frozenset({samples.image(record)}),
        )
        for family in families.values()
        for record in family
        if len(family) > 1
    )


def edit_tasks(samples: EmojiSamples, records: Sequence[EmojiRecord], edits: Sequence[Edit]) -> list[Task]:
    """Return it->i, it->t, t->it and it->it over the same edits, and the controls of the composed queries.

    Pools: all of the split's pictures for it->i; for the others all names or items of the test split and, to bound
    time, only those of the edits in support and validation.

    Args:
        samples: makes the samples.
        records: all records.
        edits: edits whose two pictures differ.
    """
    touched = {record.code for edit in edits for record in (edit.source, edit.target)}
    pooled = [record for record in records if record.split == "test" or record.code in touched]
    image_pools = _pools(records, samples.image)
    item_pools = _pools(pooled, samples.item)
    targets = list({edit.target.code: edit.target for edit in edits}.values())
    composed = (
        Task(
            "it2i",
            "image_text",
            "image",
            prompts.IMAGE_QUESTION,
            prompts.IMAGE,
            "Picture and edit to the edited picture, the query's own picture excluded.",
            _edit_queries(samples, edits, samples.image, samples.image),
            image_pools,
        ),
        Task(
            "it2t",
            "image_text",
            "text",
            prompts.IMAGE_SENTENCE,
            prompts.TEXT,
            "Picture and edit to the name of the edited picture.",
            _edit_queries(samples, edits, samples.name, None),
            _pools(pooled, samples.name),
        ),
        Task(
            "it2it",
            "image_text",
            "image_text",
            prompts.IMAGE_AND_SENTENCE,
            prompts.IMAGE_AND_SENTENCE,
            "Picture and edit to the edited picture with its name, the query's own picture excluded.",
            _edit_queries(samples, edits, samples.item, samples.item),
            item_pools,
        ),
    )
    described = Task(
        "t2it",
        "text",
        "image_text",
        prompts.TEXT,
        prompts.IMAGE_SENTENCE,
        "Keywords and attributes to the picture with its name.",
        _matching(targets, samples.description, samples.item),
        item_pools,
    )
    images = {samples.edit(edit): samples.image(edit.source) for edit in edits}
    phrases = {samples.edit(edit): samples.phrase(edit) for edit in edits}
    tasks = [judge_equal_content_equally(described, samples.made)]
    for task in composed:
        judged = judge_equal_content_equally(task, samples.made)
        tasks += [judged, as_control(judged, "image_only", images), as_control(judged, "text_only", phrases)]
    return tasks


def _edit_queries(
    samples: EmojiSamples,
    edits: Iterable[Edit],
    answer_of: Callable[[EmojiRecord], str],
    own_of: Callable[[EmojiRecord], str] | None,
) -> tuple[Query, ...]:
    return tuple(
        Query(
            samples.edit(edit),
            samples.edit(edit),
            edit.source.split,
            {answer_of(edit.target): 1},
            frozenset({own_of(edit.source)} if own_of else ()),
        )
        for edit in edits
    )
