"""One sample: picture or text, what it is paired with, its features, its tasks, where it is looked at."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from pipeline_core.app.answers import Answer
from pipeline_core.app.pages import NotFoundError, Page, Parameters, Visit
from pipeline_core.app.pages._named import by_feature, named


class Asked(Parameters):
    """A sample of the data set."""

    id: str


class Sample(Page):
    """What a picture or a text is to the models."""

    name, title, path = "sample", "Sample", "/sample"
    parameters = Asked

    def show(self, visit: Visit) -> Mapping[str, Any]:
        """Answer for one sample."""
        sample = visit.given.id
        found = visit.ask(sample=sample)
        if not found.rows or not found.rows[0]["itself"]:
            raise NotFoundError(f"the data set has no sample {sample!r}", "see what can be found by searching")
        return {
            "row": found.rows[0],
            "found": found,
            "partners": found.rows[1:],
            "codes": list(_codes(visit, sample)),
            "tasks": visit.ask("tasks", sample=sample),
            "attention": visit.ask("attention", sample=sample),
        }


def _codes(visit: Visit, sample: str) -> Iterator[tuple[str, Answer, list[tuple[str, list[Any]]], dict[int, Any]]]:
    """Yield each autoencoder with the sample's largest codes by instruction, and what those features are called."""
    for sae in visit.run.saes:
        artifacts = {"artifact": "codes", "of_features": "features"}
        values = {name: visit.run.artifact(f"{stage}/{sae}").name for name, stage in artifacts.items()}
        answer = visit.ask("features", sample=sample, **values)
        groups = [(prompt, list(rows)) for prompt, rows in groupby(answer.rows, key=lambda row: str(row["prompt_id"]))]
        if groups:
            yield sae, answer, groups, by_feature(named(visit, sae, (row["feature_id"] for row in answer.rows)))


MEMBER = Sample()
