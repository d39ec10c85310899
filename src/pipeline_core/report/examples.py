"""Example features of a model: what they fire on, whom they serve, and what removing them does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline_core.report.facts import Answer, Facts
from pipeline_core.report.inputs import ModelArtifacts
from pipeline_core.report.pictures import Pictures

EXAMPLES = 6
"""Pictures and texts shown a feature, each."""


@dataclass(frozen=True)
class Example:
    """A sample that a feature fires on: the picture or the text, and the code."""

    text: str | None
    image: str | None
    sample_id: str
    value: float


@dataclass(frozen=True)
class FeatureCard:
    """One feature: a row of ``example_features.sql``, its examples, its row of ``removal_single.sql`` if measured."""

    facts: Mapping[str, Any]
    images: Sequence[Example]
    texts: Sequence[Example]
    effect: Mapping[str, Any] | None


@dataclass(frozen=True)
class FeatureGallery:
    """The cards of one SAE: leaders by attribution, then leaders among features that fire rarely."""

    model: int
    model_name: str
    sae_id: str
    leading: Sequence[FeatureCard]
    specific: Sequence[FeatureCard]
    answers: Sequence[Answer]


def feature_gallery(
    facts: Facts, place: int, model: ModelArtifacts, shown: int, effects: pl.DataFrame, pictures: Pictures
) -> FeatureGallery | None:
    """Return the cards of a model's first SAE; None if it has no SAE.

    Args:
        facts: the tables.
        place: the model's place among the models.
        model: its artifacts.
        shown: number of cards.
        effects: rows of ``removal_single.sql``.
        pictures: opens pictures.
    """
    if not model.saes:
        return None
    sae_id = model.saes[0].sae_id
    leading = (shown + 1) // 2
    chosen = facts.ask("example_features", sae_id=sae_id, n_leading=leading, n_specific=shown - leading)
    examples = facts.ask("feature_examples", sae_id=sae_id, n_examples=EXAMPLES)
    effect_of = {row["feature_id"]: row for row in effects.filter(pl.col("sae_id") == sae_id).iter_rows(named=True)}
    by_feature = examples.rows.partition_by("feature_id", as_dict=True)

    def card(row: Mapping[str, Any]) -> FeatureCard:
        found = by_feature.get((row["feature_id"],), examples.rows.clear())
        shown_on = {
            modality: [
                _example(e, pictures) for e in found.filter(pl.col("modality") == modality).iter_rows(named=True)
            ]
            for modality in ("image", "text")
        }
        return FeatureCard(row, shown_on["image"], shown_on["text"], effect_of.get(row["feature_id"]))

    cards = [card(row) for row in chosen.rows.iter_rows(named=True)]
    return FeatureGallery(
        place,
        model.name,
        sae_id,
        [c for c in cards if not c.facts["sparse"]],
        [c for c in cards if c.facts["sparse"]],
        (chosen, examples),
    )


def _example(row: Mapping[str, Any], pictures: Pictures) -> Example:
    image = pictures.uri(row["image_ref"]) if row["image_ref"] is not None else None
    return Example(row["text"], image, row["sample_id"], row["value"])
