"""Lines of M-BEIR's files: queries with their answers and hard negatives, judgements, candidates, instructions.

In its files a query is ``qid``, ``query_txt``, ``query_img_path``, ``query_modality``, ``pos_cand_list``,
``neg_cand_list``; a candidate is ``did``, ``txt``, ``img_path``, ``modality``; a judgement is ``qid 0 did relevance``
and the number of the task.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline_core.dataset.files import picture_name, read_lines, read_objects
from pipeline_core.dataset.places import Place
from pipeline_core.errors import DataError

MODALITIES: Mapping[str, str] = {"text": "text", "image": "image", "image,text": "image_text"}
"""Modalities as M-BEIR writes them, and as the tables do."""

_ITERATIONS = ("0", "Q0")
_JUDGEMENT = ("qid", "0", "did", "relevance", "task id")

_RELEVANCE = re.compile(r"[+-]?[0-9]{1,9}")

Staged = tuple[str, tuple[object, ...]]
"""A row, and the table of ``benchmark/create.sql`` that it goes into."""


def read_queries(root: Path, name: str, task: str, published: str, seq: int) -> Iterator[Staged]:
    """Go through a file of queries, each with the candidates that it lists.

    Args:
        root: folder that files and pictures are below.
        name: the file.
        task: the task.
        published: the split.
        seq: what is added to the number of a line.

    Raises:
        DataError: the file cannot be read, a line is no JSON object, or names a picture outside the folder.
    """
    for place, values in read_objects(root, name, _QUERY):
        item = _item(root, place, values, _QUERY)
        listed = [values.get(field) or [] for field in ("pos_cand_list", "neg_cand_list")]
        if isinstance(item, str):
            yield "faults", (place, item, True)
        elif not all(isinstance(ids, list) and all(isinstance(i, str) for i in ids) for ids in listed):
            yield "faults", (place, "pos_cand_list or neg_cand_list is no list of ids", True)
        else:
            yield "read_queries", (task, published, seq + _line(place), *item)
            for ids, right in zip(listed, (True, False), strict=True):
                for candidate in ids:
                    yield "listed", (task, item[0], candidate, right)


def read_candidates(root: Path, name: str, pool: str, seq: int) -> Iterator[Staged]:
    """Go through a pool; arguments and errors as in ``read_queries``."""
    for place, values in read_objects(root, name, _CANDIDATE):
        item = _item(root, place, values, _CANDIDATE)
        if isinstance(item, str):
            yield "faults", (place, item, True)
        else:
            yield "read_candidates", (pool, seq + _line(place), *item)


def read_judgements(root: Path, name: str, task: str, published: str) -> Iterator[Staged]:
    """Go through the judgements: query, candidate, how well it answers.

    Raises:
        DataError: a line has not the five columns of UniIR (nor the four of TREC), or its relevance is no whole number.
    """
    for place, line in read_lines(root, name):
        cells = line.split()
        shaped = len(cells) in (len(_JUDGEMENT), len(_JUDGEMENT) - 1) and cells[1] in _ITERATIONS
        if not shaped or not _RELEVANCE.fullmatch(cells[3]):
            raise DataError(f"{place} in {root} is no judgement", f"write {' '.join(_JUDGEMENT)}")
        yield "judgements", (task, published, cells[0], cells[2], int(cells[3]))


def read_instructions(root: Path, name: str) -> Iterator[Staged]:
    """Go through M-BEIR's first instructions, by number of the data set and modalities of query and candidates.

    Raises:
        DataError: the file has no such columns.
    """
    lines = (line.split("\t") for _, line in read_lines(root, name))
    header = next(lines, [])
    columns = ("dataset_id", "query_modality", "cand_modality", "prompt_1")
    if not set(columns) <= set(header):
        raise DataError(f"{root / name} lacks the columns {', '.join(columns)}", "take M-BEIR's query_instructions.tsv")
    for cells in lines:
        row = dict(zip(header, cells, strict=False))
        number, asks, finds, text = (row.get(column, "") for column in columns)
        yield "instructions", (number, MODALITIES.get(asks, asks), MODALITIES.get(finds, finds), text)


_QUERY = ("qid", "query_txt", "query_img_path", "query_modality")
_CANDIDATE = ("did", "txt", "img_path", "modality")


def _line(place: str) -> int:
    return int(place.rpartition(" ")[2])


def _item(
    root: Path, place: str, values: Mapping[str, Any], fields: tuple[str, str, str, str]
) -> tuple[str, str, str | None, str | None] | str:
    """Return (id, modality, text, picture) of a line, of the parts that its modality names, or why there is none."""
    key, text, image, modality = fields
    wrong = next((name for name in fields if not isinstance(values.get(name), str | None)), None)
    if wrong:
        return f"{wrong} is no text"
    if not values.get(key):
        return f"no {key}"
    told = MODALITIES.get(values.get(modality) or "")
    if told is None:
        return f"{modality} is {values.get(modality)!r}; it may be {', '.join(MODALITIES)}"
    given = {"text": (values.get(text) or "").strip(), "image": (values.get(image) or "").strip()}
    missing = next((part for part in given if part in told and not given[part]), None)
    if missing:
        return f"{modality} is {values[modality]}, and there is no {text if missing == 'text' else image}"
    picture = None
    if "image" in told:
        picture = Place(root / picture_name(root, given["image"], place)).reference(root)
    return values[key], told, given["text"] if "text" in told else None, picture
