"""What is asked, what of, and what is right: judged queries of any source, before tasks are made of them."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pipeline_core.dataset.places import Place, Places
from pipeline_core.dataset.screening import Picture, read_picture
from pipeline_core.dataset.settings import FolderedSettings
from pipeline_core.dataset.splits import furthest_from_training, stable_order
from pipeline_core.dataset.tasks import PRIMARY_K, Modality


@dataclass(frozen=True, slots=True)
class Item:
    """A query, or what can be found: a text, a picture by its path below the folder, or both.

    Attributes:
        place: file and line.
        item_id: the ``_id``.
        text: its text; in the corpus, after its title.
        picture: its picture.
        prompt: a query's own instruction.
        task: name of the tasks that a query belongs to.
        split: the split that a query says it is in.
    """

    place: str
    item_id: str
    text: str | None
    picture: str | None
    prompt: str | None = None
    task: str | None = None
    split: str | None = None

    @property
    def modality(self) -> Modality:
        """What it consists of."""
        if self.picture is None:
            return "text"
        return "image" if self.text is None else "image_text"


@dataclass
class Judged:
    """What is asked, what it is asked of, and what is right.

    Attributes:
        queries: queries with an answer, by id; those that nothing usable answers too, where they are asked.
        documents: the corpus by id; empty if the captioned pictures are the corpus.
        pictures: those of captions, queries and documents, by path below the folder.
        answers: for each query, its documents and how well they answer, 1 or more.
        splits: of each query.
        pools: for each split, the documents that its queries are asked of; empty if all are asked of all.
        quarantine: (line, reason) of what was left out.
        unasked: queries of the test split that are not asked, as nothing usable answers them or they cannot be read.
        primary_k: the cut-off that the tasks are read at.
        about: how the tasks' descriptions begin.
        among: how they end: what is searched.
    """

    queries: dict[str, Item] = field(default_factory=dict)
    documents: dict[str, Item] = field(default_factory=dict)
    pictures: dict[str, Picture] = field(default_factory=dict)
    answers: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    splits: dict[str, str] = field(default_factory=dict)
    pools: dict[str, frozenset[str]] = field(default_factory=dict)
    quarantine: list[tuple[str, str]] = field(default_factory=list)
    unasked: list[Item] = field(default_factory=list)
    primary_k: int = PRIMARY_K
    about: str = "Own queries"
    among: str = "among the whole corpus"

    @property
    def document_splits(self) -> dict[str, str]:
        """The split of each document that answers a query, or is in a pool: of several, the furthest from training."""
        answering = ((i, self.splits[query_id]) for query_id, answers in self.answers.items() for i in answers)
        return _furthest((*answering, *((i, split) for split, pool in self.pools.items() for i in pool)))

    @property
    def look_splits(self) -> dict[str, str]:
        """The split of each look that a query shows or is answered by, likewise."""
        asked = ((query.picture, self.splits[i]) for i, query in self.queries.items())
        answering = (
            (self.documents[i].picture if self.documents else i, split) for i, split in self.document_splits.items()
        )
        return _furthest((self.pictures[name].look, split) for name, split in (*asked, *answering) if name)


def support_set_aside(judged: Judged, settings: FolderedSettings, root: Path) -> None:
    """Move queries of the train split, at most half of each name and modality, to support where nothing is in it.

    Queries with one first answer keep together.

    Args:
        judged: queries and their splits.
        settings: how many of each.
        root: the folder, for what is wrong.

    Raises:
        DataError: support is asked for, and there is no train split to set it aside from.
    """
    if "support" in judged.splits.values():
        return
    training: dict[tuple[str | None, Modality], list[tuple[str, str]]] = defaultdict(list)
    for query_id, query in judged.queries.items():
        if judged.splits[query_id] == "train":
            first = min(judged.answers.get(query_id, {}), default=query_id)
            training[query.task, query.modality].append((stable_order("support", first), query_id))
    for found in training.values():
        for _, query_id in sorted(found)[: min(settings.most_support, len(found) // 2)]:
            judged.splits[query_id] = "support"
    settings.refuse_without_support("support" in judged.splits.values(), f"the data set {root}, for its queries,")


def _furthest(splits: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, split in splits:
        found[name] = furthest_from_training((split, found.get(name, split)))
    return found


def screened(root: Path, items: Iterable[Item], judged: Judged) -> dict[str, Item]:
    """Return items, by id, whose pictures can be read; note pictures and what is left out in ``judged``.

    Args:
        root: folder that pictures are below.
        items: with distinct ids.
        judged: gets pictures and quarantine.
    """
    kept: dict[str, Item] = {}
    with Places() as places:
        for item in items:
            if item.picture and item.picture not in judged.pictures:
                picture = read_picture(Place(root / item.picture), places)
                if isinstance(picture, str):
                    judged.quarantine.append((item.place, picture))
                    continue
                judged.pictures[item.picture] = picture
            kept[item.item_id] = item
    return kept
