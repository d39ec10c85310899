"""The eight retrieval task types over emoji: plain ones from names and keywords, composed ones from edits."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from pipeline_core.dataset.sources.emoji.edits import Edit
from pipeline_core.dataset.sources.emoji.records import EmojiRecord
from pipeline_core.dataset.sources.emoji.samples import EmojiSamples
from pipeline_core.dataset.tasks import (
    EVALUATED_SPLITS,
    Query,
    Task,
    as_control,
    judge_equal_content_equally,
    task_between,
)

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


def plain_tasks(samples: EmojiSamples, records: Sequence[EmojiRecord], *, asks_all: bool = False) -> list[Task]:
    """Return t->i, i->t, t->t in both directions, and i->i.

    Args:
        samples: makes the samples.
        records: all records; those without tone are the queries and pools of all but i->i.
        asks_all: as in ``judge_equal_content_equally``.
    """
    untoned = [record for record in records if record.tone is None and record.split in EVALUATED_SPLITS]
    described = [record for record in untoned if samples.keywords(record)]
    name, image, keywords = samples.name, samples.image, samples.keywords
    matched = (
        ("t2i", untoned, name, image, "Name to picture, among pictures without skin tone: one picture a name."),
        ("i2t", untoned, image, name, "Picture to name, among pictures without skin tone: one name a picture."),
        ("t2t_name_keywords", described, name, keywords, "Name to keywords, which do not contain the name."),
        ("t2t_keywords_name", described, keywords, name, "Keywords to every name that has them."),
    )
    tasks = [
        task_between(task_id[:3], task_id, description, _matching(among, asked, given), _pools(among, given))
        for task_id, among, asked, given, description in matched
    ]
    variants = "Picture to its variants in tone, gender, hair or direction, its own picture excluded."
    tasks.append(task_between("i2i", "i2i", variants, _variant_queries(samples, records), _pools(records, image)))
    return [judge_equal_content_equally(task, samples.made, asks_all=asks_all) for task in tasks]


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


def edit_tasks(
    samples: EmojiSamples, records: Sequence[EmojiRecord], edits: Sequence[Edit], *, asks_all: bool = False
) -> list[Task]:
    """Return it->i, it->t, t->it and it->it over the same edits, and the controls of the composed queries.

    Pools: all of the split's pictures for it->i; for the others all names or items of the test split and, to bound
    time, only those of the edits in support and validation.

    Args:
        samples: makes the samples.
        records: all records.
        edits: edits whose two pictures differ.
        asks_all: as in ``judge_equal_content_equally``.
    """
    touched = {record.code for edit in edits for record in (edit.source, edit.target)}
    pooled = [record for record in records if record.split == "test" or record.code in touched]
    targets = list({edit.target.code: edit.target for edit in edits}.values())
    name, image, item = samples.name, samples.image, samples.item
    own = "the query's own picture excluded."
    composed = (
        ("it2i", records, image, image, f"Picture and edit to the edited picture, {own}"),
        ("it2t", pooled, name, None, "Picture and edit to the name of the edited picture."),
        ("it2it", pooled, item, item, f"Picture and edit to the edited picture with its name, {own}"),
    )
    described = task_between(
        "t2it",
        "t2it",
        "Keywords and attributes to the picture with its name.",
        _matching(targets, samples.description, item),
        _pools(pooled, item),
    )
    images = {samples.edit(edit): samples.image(edit.source) for edit in edits}
    phrases = {samples.edit(edit): samples.phrase(edit) for edit in edits}
    tasks = [judge_equal_content_equally(described, samples.made, asks_all=asks_all)]
    for sides, among, answer_of, own_of, description in composed:
        queries = _edit_queries(samples, edits, answer_of, own_of)
        task = task_between(sides, sides, description, queries, _pools(among, answer_of))
        judged = judge_equal_content_equally(task, samples.made, asks_all=asks_all)
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
