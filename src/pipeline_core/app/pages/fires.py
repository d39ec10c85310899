"""Where in texts and pictures one feature fires: a part of its page, for which the model reads the samples shown."""

from collections.abc import Mapping
from typing import Any

from pipeline_core.activations.opening import open_samples
from pipeline_core.activations.plan import Request
from pipeline_core.app.answers import Answer
from pipeline_core.app.pages import NotFoundError, Page, Visit
from pipeline_core.app.pages._named import OfFeature
from pipeline_core.dataset.images import ImageReader

MOST = 6
"""Samples a modality."""


class Fires(Page):
    """Heat on words and on patches."""

    name, title, path = "fires", "Where it fires", "/fires"
    parameters = OfFeature
    computes = True

    def show(self, visit: Visit) -> Mapping[str, Any]:
        """Have the model read the samples, once."""
        sae, feature = visit.sae(visit.given.sae), visit.given.feature
        model = sae.rpartition("/")[0]
        shown = visit.ask(sae=sae, feature=feature, most=MOST)
        if not shown.rows:
            raise NotFoundError(f"feature {feature} of {sae} is active on nothing", "see the other features")
        read: list[tuple[Mapping[str, Any], Any]] = []
        if any(row["layer"] >= 0 for row in visit.ask("layers", model=model).rows):
            key = "fires", visit.run.artifact(f"sae/{sae}").name, shown.rows[0]["artifact"], str(feature)
            read = visit.site.once(*key, make=lambda: _read(visit, model, sae, feature, shown))
        return {
            "sae": sae,
            "feature": feature,
            "model": model,
            "shown": shown,
            "read": read,
            "most": max((fired.largest for _, fired in read), default=0.0) or 1.0,
        }


def _read(visit: Visit, model: str, sae: str, feature: int, shown: Answer) -> list[tuple[Mapping[str, Any], Any]]:
    """Return each sample with where the feature fires in it."""
    from pipeline_core.app.firing import fire  # noqa: PLC0415 - torch

    autoencoder = visit.run.sae(sae)
    questions = visit.site.questions(visit.run, model)
    instructions = questions.alone(
        lambda searcher: dict(searcher.tables.prompts.select("prompt_id", "text").iter_rows())
    )
    requests = [
        Request(
            row["sample_id"],
            row["prompt_id"],
            row["modality"],
            row["text"],
            instructions.get(row["prompt_id"]),
            row["image_ref"],
            row["sha256"],
            split="",
            keeps_states=True,
        )
        for row in shown.rows
    ]
    with ImageReader(visit.run.artifact("dataset")) as reader:
        samples, _ = open_samples(reader, requests)
    by_id = {row["sample_id"]: row for row in shown.rows}
    fired = questions.alone(lambda searcher: fire(searcher, autoencoder, sae, feature, samples))
    return [(by_id[sample.sample_id], one) for sample, one in zip(samples, fired, strict=True)]


MEMBER = Fires()
