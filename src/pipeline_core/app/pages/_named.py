"""What features are called beside their numbers, wherever pages name some; how pages of one feature are asked for."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import Field

from pipeline_core.app.answers import Answer
from pipeline_core.app.pages._kind import Parameters, Visit

_SQL = Path(__file__).with_suffix(".sql")


class OfFeature(Parameters):
    """A feature of an autoencoder."""

    sae: str = ""
    feature: int = Field(ge=0, lt=2**31)


def named(visit: Visit, sae: str, features: Iterable[int]) -> Answer:
    """Return feature_id, modality, frequency and texts (the first three) of features, by their ids."""
    asked = ",".join(str(feature) for feature in sorted(set(features)))
    sql = _SQL.read_text(encoding="utf-8").strip()
    return visit.answer(sql, sae=sae, features=asked)


def by_feature(answer: Answer) -> dict[int, dict[str, Any]]:
    """Return the rows by feature."""
    return {row["feature_id"]: row for row in answer.rows}
