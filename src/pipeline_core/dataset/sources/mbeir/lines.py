"""Lines of M-BEIR's files: queries with their answers and hard negatives, judgements, candidates, instructions.

In its files a query is ``qid``, ``query_txt``, ``query_img_path``, ``query_modality``, ``pos_cand_list``,
``neg_cand_list``; a candidate is ``did``, ``txt``, ``img_path``, ``modality``; a judgement is ``qid 0 did relevance``
and the number of the task.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline_core.dataset.files import picture_name, read_lines, read_objects
from pipeline_core.dataset.judged import Item
from pipeline_core.errors import DataError

_PARTS: Mapping[str, tuple[str, ...]] = {"text": ("text",), "image": ("image",), "image,text": ("image", "text")}
_ITERATIONS = ("0", "Q0")
_JUDGEMENT = ("qid", "0", "did", "relevance", "task id")


@dataclass(frozen=True)
class Asked:
    """A query with the candidates that its line names.

    Attributes:
        item: the query.
        modality: what it consists of, as M-BEIR writes it.
        positives: right answers.
        negatives: hard negatives.
    """

    item: Item
    modality: str
    positives: tuple[str, ...]
    negatives: tuple[str, ...]


def read_queries(root: Path, name: str, task: str) -> Iterator[Asked | tuple[str, str]]:
    """Go through a file of queries; of a line that holds none, (line, reason).

    Raises:
        DataError: the file cannot be read, a line is no JSON object, or names a picture outside the folder.
    """
    for place, values in read_objects(root, name):
        item = _item(place, values, "qid", "query_txt", "query_img_path", "query_modality", task)
        listed = [values.get(field) or [] for field in ("pos_cand_list", "neg_cand_list")]
        if isinstance(item, str):
            yield place, item
        elif not all(isinstance(ids, list) and all(isinstance(i, str) for i in ids) for ids in listed):
            yield place, "pos_cand_list or neg_cand_list is no list of ids"
        else:
            positives, negatives = map(tuple, listed)
            yield Asked(item, values["query_modality"], positives, negatives)


def read_candidates(root: Path, name: str) -> Iterator[tuple[Item, str] | tuple[str, str]]:
    """Go through a pool: (candidate, its modality); of a line that holds none, (line, reason).

    Raises:
        DataError: as in ``read_queries``.
    """
    for place, values in read_objects(root, name):
        item = _item(place, values, "did", "txt", "img_path", "modality", None)
        yield (place, item) if isinstance(item, str) else (item, values["modality"])


def read_judgements(root: Path, name: str) -> Iterator[tuple[str, str, int]]:
    """Go through the judgements: query, candidate, how well it answers.

    Raises:
        DataError: a line has not the five columns of UniIR (nor the four of TREC), or its relevance is no whole number.
    """
    for place, line in read_lines(root, name):
        cells = line.split()
        shaped = len(cells) in (len(_JUDGEMENT), len(_JUDGEMENT) - 1) and cells[1] in _ITERATIONS
        if not shaped or not cells[3].lstrip("+-").isdecimal():
            raise DataError(f"{place} in {root} is no judgement", f"write {' '.join(_JUDGEMENT)}")
        yield cells[0], cells[2], int(cells[3])


def read_instructions(root: Path, name: str) -> Mapping[tuple[str, str, str], str]:
    """Return M-BEIR's first instruction by number of the data set and modalities of query and candidates.

    Raises:
        DataError: the file has no such columns.
    """
    lines = (line.split("\t") for _, line in read_lines(root, name))
    header = next(lines, [])
    columns = ("dataset_id", "query_modality", "cand_modality", "prompt_1")
    if not set(columns) <= set(header):
        raise DataError(f"{root / name} lacks the columns {', '.join(columns)}", "take M-BEIR's query_instructions.tsv")
    rows = (dict(zip(header, cells, strict=False)) for cells in lines)
    return {(row[columns[0]], row[columns[1]], row[columns[2]]): row[columns[3]] for row in rows}


def _item(
    place: str, values: Mapping[str, Any], key: str, text: str, image: str, modality: str, task: str | None
) -> Item | str:
    """Return the item of a line, of which only the parts count that its modality names, or why there is none."""
    wrong = next((name for name in (key, text, image, modality) if not isinstance(values.get(name), str | None)), None)
    if wrong:
        return f"{wrong} is no text"
    if not values.get(key):
        return f"no {key}"
    parts = _PARTS.get(values.get(modality) or "")
    if parts is None:
        return f"{modality} is {values.get(modality)!r}; it may be {', '.join(_PARTS)}"
    given = {"text": (values.get(text) or "").strip(), "image": (values.get(image) or "").strip()}
    missing = next((part for part in parts if not given[part]), None)
    if missing:
        return f"{modality} is {values[modality]}, and there is no {text if missing == 'text' else image}"
    picture = picture_name(given["image"], place) if "image" in parts else None
    return Item(place, values[key], given["text"] if "text" in parts else None, picture, task=task)
