"""Search by words, a picture, both or a stored sample: a column a system, and the features that made each score."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, StringConstraints

from pipeline_core.app.pages import Page, Parameters, Visit
from pipeline_core.app.pages._named import by_feature, named
from pipeline_core.app.site import Site
from pipeline_core.app.space import RAW, SYSTEMS
from pipeline_core.errors import LensError
from pipeline_core.library import Run
from pipeline_core.settings import Unit

_PARTS = 5

Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")]


class Asked(Parameters):
    """A question, and what is to be found."""

    words: str = Field("", max_length=2000)
    picture: Digest | None = None
    sample: str = Field("", max_length=500)
    to: Literal["image", "text", "any"] = "image"
    k: int = Field(6, ge=1, le=50)
    beta: Unit | None = None
    sae: str = ""


@dataclass(frozen=True)
class Hit:
    """An answer with what its score is made of: parts of features, of all others together, means, unexplained."""

    sample: Mapping[str, Any]
    score: float
    parts: tuple[tuple[int, float], ...] = ()
    others: float = 0.0
    means: float = 0.0
    unexplained: float = 0.0

    @property
    def largest(self) -> float:
        """The largest part in absolute value, which is drawn at full length."""
        parts = [part for _, part in self.parts]
        return max(map(abs, [*parts, self.others, self.means, self.unexplained, 1e-12]))


@dataclass(frozen=True)
class Column:
    """The answers of one system; ``refused`` says why there are none."""

    model: str
    system: str
    sae: str | None = None
    hits: tuple[Hit, ...] = ()
    features: Mapping[int, Mapping[str, Any]] | None = None
    refused: str = ""


class Search(Page):
    """What is found, before and after each adaptation, and why."""

    name, title, path, place = "search", "Search", "/search", 2
    parameters = Asked

    def show(self, visit: Visit) -> Mapping[str, Any]:
        """Search with what is given; without anything, have the models loaded while the visitor writes."""
        given, run = visit.given, visit.run
        asked = bool(given.words.strip() or given.picture or given.sample)
        picture = visit.site.shelf.get(given.picture) if given.picture else None
        if given.sae:
            visit.sae(given.sae)
        if not asked:
            Thread(target=_load, args=(visit.site, run), daemon=True).start()
        own = run.record.config["adaptations"]["realign"]["beta"]
        beta = own if given.beta is None else given.beta
        return {
            "asked": asked,
            "beta": beta,
            "own_beta": own,
            "columns": list(_columns(visit, picture, beta)) if asked else [],
            "stored": _stored(visit) if given.sample else None,
            "saes": [one for one in run.saes if one.rpartition("/")[0] == run.models[0]],
        }


def _load(site: Site, run: Run) -> None:
    with suppress(LensError):  # whoever searches is told
        for model in run.models:
            site.space(run, model)
            site.questions(run, model).embed("warm", None)


def _columns(visit: Visit, picture: bytes | None, beta: float) -> Iterator[Column]:
    """Yield the studied model's systems, then the other models' raw embeddings."""
    studied, *others = visit.run.models
    wanted = [(studied, system) for system in SYSTEMS] + [(model, RAW) for model in others]
    for model, system in wanted:
        try:
            yield _column(visit, model, system, picture, beta)
        except LensError as error:
            yield Column(model, system, refused=str(error))


def _column(visit: Visit, model: str, system: str, picture: bytes | None, beta: float) -> Column:
    given, run, site = visit.given, visit.run, visit.site
    space = site.space(run, model)
    if given.sample:
        stored = _stored(visit)
        question = space.sample(given.sample, stored["modality"]) if stored else None
        if question is None:
            return Column(model, system, refused=f"it has no embedding of {given.sample}")
    else:
        question = site.questions(run, model).embed(given.words, picture)
    if system != RAW and not space.fitted(question.group):
        return Column(model, system, refused="not fitted to such questions: the support split has none")
    best = space.best(question, system, given.to, given.k, beta)
    samples = best.to_dicts()
    for sample in samples:
        sample["artifact"] = run.artifact("dataset").name
    own = [one for one in run.saes if one.rpartition("/")[0] == model]
    sae = given.sae if given.sae in own else next(iter(own), None)
    if sae is None or not samples:
        return Column(model, system, hits=tuple(Hit(sample, sample["score"]) for sample in samples))
    maps = [space.maps(system, question.group, sample["answering"], beta) for sample in samples]
    explainer = site.explainer(run, sae)
    explained = explainer.explain(question.vector, space.items.vectors[np.array(best["row"])], maps)
    hits = []
    for sample, made in zip(samples, explained, strict=True):
        parts, rest = made.shown(_PARTS)
        hits.append(Hit(sample, sample["score"], parts, rest, made.means, made.unexplained))
    features = by_feature(named(visit, sae, (feature for hit in hits for feature, _ in hit.parts)))
    return Column(model, system, sae, tuple(hits), features)


def _stored(visit: Visit) -> dict[str, Any] | None:
    """Return the sample that is searched with; None: the data set has none of that name."""
    rows = visit.ask("stored", sample=visit.given.sample).rows
    return rows[0] if rows else None


MEMBER = Search()
