"""What features are called beside their numbers, wherever pages name some; how pages of one feature are asked for."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import Field

from pipeline_core.app.answers import Answer
from pipeline_core.app.pages._kind import Parameters, Visit
from pipeline_core.warehouse.parameters import told

_SQL = Path(__file__).with_suffix(".sql")
_ALL = ""
"""Asks for all features."""


class OfFeature(Parameters):
    """A feature of an autoencoder."""

    sae: str = ""
    feature: int = Field(ge=0, lt=2**31)


def named(visit: Visit, sae: str, features: Iterable[int]) -> Answer:
    """Return feature_id, modality, frequency and texts (the first three) of features, by their ids."""
    return of_features(visit, "named", _SQL.read_text(encoding="utf-8").strip(), sae, features)


def of_features(visit: Visit, name: str, sql: str, sae: str, features: Iterable[int]) -> Answer:
    """Return the rows of some features out of the answer for all of an autoencoder's, which is asked for once.

    Pages name features all the time, and asking for some takes nearly as long as asking for all.

    Args:
        visit: the request.
        name: what is asked.
        sql: the question, with a row a feature, of those in ``$features`` or of all.
        sae: the autoencoder.
        features: whose rows are wanted; those that have none are left out.
    """
    kept = name, visit.run.artifact(f"features/{sae}").name, sae
    every = visit.site.once(*kept, make=lambda: by_feature(visit.answer(sql, sae=sae, features=_ALL)))
    asked = [feature for feature in sorted(set(features)) if feature in every]
    values = {"sae": sae, "features": ",".join(map(str, asked)) or "none"}
    return Answer([every[feature] for feature in asked], told(sql, values), visit.older_run)


def by_feature(answer: Answer) -> dict[int, dict[str, Any]]:
    """Return the rows by feature."""
    return {row["feature_id"]: row for row in answer.rows}
