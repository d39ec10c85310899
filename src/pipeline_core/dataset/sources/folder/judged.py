"""The user's own queries and judgements, in the files of BEIR: ``queries.jsonl``, ``corpus.jsonl``, ``qrels/*.tsv``.

Every query is asked of the whole corpus, in the split whose file judges it. Texts, pictures and pictures with texts may
ask and be found; each pair of the two is one task.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipeline_core.dataset.files import picture_name, read_lines, read_objects
from pipeline_core.dataset.judged import Item, Judged, screened
from pipeline_core.dataset.screening import Picture, refuse_if_too_many
from pipeline_core.dataset.sources.folder.files import QRELS, QUERIES, Layout
from pipeline_core.dataset.splits import SPLITS
from pipeline_core.errors import DataError

_HEADER = ["query-id", "corpus-id", "score"]
_TASK_NAME = re.compile(r"[A-Za-z0-9_-]+")
_LARGEST_SCORE = 2**31 - 1


class Judgement(NamedTuple):
    """A line of a qrels file: how well a document answers a query; 0 or less is not at all."""

    place: str
    query_id: str
    document_id: str
    score: int
    split: str


def read_items(file: Path) -> tuple[list[Item], list[tuple[str, str]]]:
    """Return the items of ``queries.jsonl`` or ``corpus.jsonl``, and (line, reason) of lines that hold none.

    Raises:
        DataError: the file cannot be read, a line is no JSON object, leaves the folder, or names no split.
    """
    items: list[Item] = []
    bad: list[tuple[str, str]] = []
    first_with: dict[str, str] = {}
    for place, values in read_objects(file.parent, file.name):
        item = _item(file.parent, place, values, asks=file.name == QUERIES)
        if isinstance(item, str):
            bad.append((place, item))
        elif item.item_id in first_with:
            bad.append((place, f"duplicate of {first_with[item.item_id]}"))
        else:
            first_with[item.item_id] = place
            items.append(item)
    return items, bad


def read_judged(layout: Layout, captioned: Mapping[str, Picture], max_share: float, asks_all: bool = False) -> Judged:
    """Read and screen queries, corpus and judgements.

    Args:
        layout: a folder with queries.
        captioned: the captioned pictures, which are the corpus where there is no other.
        max_share: share of bad lines, 0 to 1, above which they are refused.
        asks_all: queries that nothing usable answers are asked, in the split whose file names them.

    Raises:
        DataError: a file cannot be read, a query is judged in two splits, or too many lines are bad.
    """
    assert layout.queries is not None, "only folders with queries are judged"
    judged = Judged(pictures=dict(captioned))
    asking = _read(layout.queries, judged)
    queries = screened(layout.root, asking, judged)
    documents = screened(layout.root, _read(layout.corpus, judged), judged) if layout.corpus else {}
    known = documents.keys() if layout.corpus else captioned.keys()
    n_kept = len(queries) + len(documents)
    named: dict[str, str] = {}
    for judgement in _judgements(layout, judged.quarantine):
        named.setdefault(judgement.query_id, judgement.split)
        document_id = judgement.document_id
        if layout.corpus is None:
            document_id = picture_name(layout.root, document_id, judgement.place)
        if judgement.query_id not in queries:
            judged.quarantine.append((judgement.place, f"{QUERIES} has no usable query {judgement.query_id}"))
        elif document_id not in known:
            corpus = layout.corpus or layout.metadata
            assert corpus is not None, "a layout has something to find"
            judged.quarantine.append((judgement.place, f"{corpus.name} has no usable {document_id}"))
        else:
            n_kept += 1
            _record(judged, queries[judgement.query_id], judgement._replace(document_id=document_id))
    refuse_if_too_many(n_kept, judged.quarantine, max_share)
    asked = judged.answers.keys() | (named.keys() if asks_all else ())
    judged.queries = {i: query for i, query in queries.items() if i in asked}
    judged.splits = {i: judged.splits.get(i) or query.split or named[i] for i, query in judged.queries.items()}
    judged.documents = documents
    tested = {i for i, split in named.items() if split == "test"}
    judged.unasked = [item for item in asking if item.item_id in tested - judged.queries.keys()]
    # No fault of theirs: a benchmark's queries are often more than are judged.
    judged.quarantine += [(query.place, "no judged answer") for i, query in queries.items() if i not in asked]
    return judged


def _item(root: Path, place: str, values: Mapping[str, Any], asks: bool) -> Item | str:
    """Return the item of a line, or why there is none."""
    names = ("text", "image", "prompt", "task", "split") if asks else ("text", "image", "title")
    wrong = [name for name in names if not isinstance(values.get(name), str | None)]
    if wrong:
        return f"{wrong[0]} is no text"
    item_id = values.get("_id")
    if isinstance(item_id, bool) or not isinstance(item_id, str | int) or not str(item_id).strip():
        return "no _id"
    item_id = str(item_id).strip()
    given = {name: (values.get(name) or "").strip() or None for name in names}
    text = given["text"] if asks else " ".join(filter(None, (given["title"], given["text"]))) or None
    picture = picture_name(root, given["image"], place) if given["image"] else None
    if not text and not picture:
        return "neither text nor image"
    if given.get("task") and not _TASK_NAME.fullmatch(given["task"] or ""):
        return "a task is called by letters, digits, - and _"
    if given.get("split") and given["split"] not in SPLITS:
        raise DataError(f"{place}: the split is {given['split']}", f"it may be {', '.join(SPLITS)}")
    return Item(place, item_id, text, picture, *(given.get(name) for name in ("prompt", "task", "split")))


def _read(file: Path, judged: Judged) -> list[Item]:
    items, bad = read_items(file)
    judged.quarantine += bad
    return items


def _judgements(layout: Layout, quarantine: list[tuple[str, str]]) -> Iterator[Judgement]:
    """Go through the judgements of all splits; note bad lines in ``quarantine``."""
    for file in layout.qrels:
        lines = iter(read_lines(layout.root, f"{QRELS}/{file.name}"))
        place, header = next(lines, (f"{file.parent.name}/{file.name}", ""))
        if header.split("\t") != _HEADER:
            raise DataError(f"{place} in {layout.root} is no header", f"begin with {' '.join(_HEADER)}, between tabs")
        first_with: dict[tuple[str, str], str] = {}
        for place, line in lines:
            cells = [cell.strip() for cell in line.split("\t")]
            if len(cells) != len(_HEADER):
                quarantine.append((place, f"{len(cells)} columns instead of {len(_HEADER)}"))
            elif not re.fullmatch(r"[+-]?\d{1,10}", cells[2]) or int(cells[2]) > _LARGEST_SCORE:
                quarantine.append((place, f"the score {cells[2]} is no whole number up to {_LARGEST_SCORE}"))
            elif (pair := (cells[0], cells[1])) in first_with:
                quarantine.append((place, f"duplicate of {first_with[pair]}"))
            else:
                first_with[pair] = place
                yield Judgement(place, *pair, int(cells[2]), file.stem)


def _record(judged: Judged, query: Item, judgement: Judgement) -> None:
    split = judged.splits.setdefault(query.item_id, query.split or judgement.split)
    if split != judgement.split:
        raise DataError(
            f"{judgement.place}: the query {query.item_id} is in the split {split} by "
            f"{query.place if query.split else f'qrels/{split}.tsv'}",
            "judge it in that split alone",
        )
    if judgement.score > 0:
        judged.answers[query.item_id][judgement.document_id] = judgement.score
