"""The words that tell one feature's examples from those of all: its own counted in its examples, all others' once.

What stands in how many examples of all features is the same for every feature and takes the time; it is asked for once.
"""

import json
import math
from pathlib import Path
from typing import Any

from pipeline_core.app.answers import Answer
from pipeline_core.app.pages._kind import Visit
from pipeline_core.warehouse.parameters import told

_COUNTED = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").strip()
_OF_ALL = Path(__file__).with_name("_words_of_all.sql").read_text(encoding="utf-8").strip()
_SHOWN = 6


def words(visit: Visit, sql: str, sae: str, feature: int, examples: Answer) -> Answer:
    """Return the words of a feature's examples, those that tell the most first: the rows that a question in SQL gives.

    Args:
        visit: the request.
        sql: the question, whole, which the answer links to.
        sae: the autoencoder.
        feature: of its features.
        examples: its examples with their texts.
    """
    texts = json.dumps([row["text"] for row in examples.rows if row["text"] is not None])
    of_all, n_of_all = _of_all(visit, sae)
    n_own, rows = len(examples.rows), []
    for counted in visit.answer(_COUNTED, texts=texts).rows:
        share, of = counted["n_with"] / n_own, of_all.get(counted["word"], 1) / n_of_all
        rows.append(counted | {"n_own": n_own, "share": share, "share_of_all": of, "lift": share / of})
    rows.sort(key=lambda row: (-row["share"] * math.log(row["lift"]), row["word"]))
    return Answer(rows[:_SHOWN], told(sql, {"sae": sae, "feature": feature}), visit.older_run)


def _of_all(visit: Visit, sae: str) -> tuple[dict[str, int], int]:
    """Return in how many examples of an autoencoder's features each word stands, and how many examples these are."""

    def make() -> tuple[dict[str, int], int]:
        found: list[dict[str, Any]] = visit.answer(_OF_ALL, sae=sae).rows
        return {row["word"]: row["n_with"] for row in found}, found[0]["n"] if found else 1

    return visit.site.once("words of all", visit.run.artifact(f"features/{sae}").name, sae, make=make)
