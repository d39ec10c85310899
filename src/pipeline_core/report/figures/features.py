"""Example features of a model: what they fire on, whom they serve, and what removing them does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline_core.report.facts import Answer
from pipeline_core.report.figures._kind import Drawing, Drawn, Figure
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
    """One feature: a row of ``features.sql``, its examples, its row of ``features_effects.sql`` if measured."""

    facts: Mapping[str, Any]
    images: Sequence[Example]
    texts: Sequence[Example]
    effect: Mapping[str, Any] | None


@dataclass(frozen=True)
class FeatureGallery:
    """The cards of one SAE: leaders by attribution, then leaders among features that fire rarely.

    Effects are on the task that ``task`` names.
    """

    model: int
    model_name: str
    sae_id: str
    task: str
    leading: Sequence[FeatureCard]
    specific: Sequence[FeatureCard]
    answers: Sequence[Answer]


def _example(row: Mapping[str, Any], pictures: Pictures) -> Example:
    image = pictures.uri(row["image_ref"]) if row["image_ref"] is not None else None
    return Example(row["text"], image, row["sample_id"], row["value"])


class Features(Figure):
    """Cards of each model's first SAE."""

    name, place, section, fills = "features", 120, "features", True
    title = "What the features are"

    def draw(self, drawing: Drawing) -> Drawn | None:
        """Draw it; None where no model has an SAE."""
        task = drawing.summary.headline
        effects = self.ask(drawing.facts, "effects", task_id=task.task_id if task else "", k=task.k if task else 0).rows
        galleries = [
            self._gallery(
                drawing, place, model.saes[0], task.title if task else "", effects.filter(sae_id=model.saes[0])
            )
            for place, model in enumerate(drawing.inputs.models)
            if model.saes
        ]
        learnt = drawing.facts.ask("dataset").rows["n_learnt"][0]
        splits = "train and support" if learnt else "test: there is neither train nor support, and none is removed"
        statement = (
            f"Each card is one feature of a sparse autoencoder with the pictures and texts (of {splits}) on "
            "which it is largest. Energy is its mean code, modality runs from pictures (0) to texts (1), attribution "
            "is what it adds to the similarity of matched pairs, and # is the rank among all features."
        )
        return Drawn(statement, "", galleries, ()) if galleries else None

    def _gallery(self, drawing: Drawing, place: int, sae_id: str, task: str, effects: pl.DataFrame) -> FeatureGallery:
        """Return the cards of one SAE; ``effects`` are its rows of ``features_effects.sql``."""
        shown, facts = drawing.settings.features_shown, drawing.facts
        leading = (shown + 1) // 2
        chosen = self.ask(facts, sae_id=sae_id, n_leading=leading, n_specific=shown - leading)
        examples = self.ask(facts, "examples", sae_id=sae_id, n_examples=EXAMPLES)
        effect_of = {row["feature_id"]: row for row in effects.iter_rows(named=True)}
        by_feature = examples.rows.partition_by("feature_id", as_dict=True)

        def card(row: Mapping[str, Any]) -> FeatureCard:
            found = by_feature.get((row["feature_id"],), examples.rows.clear())
            images, texts = (
                [_example(e, drawing.pictures) for e in found.filter(modality=modality).iter_rows(named=True)]
                for modality in ("image", "text")
            )
            return FeatureCard(row, images, texts, effect_of.get(row["feature_id"]))

        cards = [card(row) for row in chosen.rows.iter_rows(named=True)]
        return FeatureGallery(
            place,
            drawing.inputs.models[place].name,
            sae_id,
            task,
            [c for c in cards if not c.facts["sparse"]],
            [c for c in cards if c.facts["sparse"]],
            (chosen, examples),
        )


MEMBER = Features()
