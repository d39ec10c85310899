"""Search by words, a picture, both or a stored sample: a column a system, and the features that made each score."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, StringConstraints

from pipeline_core.activations.vectors import Matrix
from pipeline_core.app.ablation import ABLATED
from pipeline_core.app.answers import Answer
from pipeline_core.app.pages import Page, Parameters, Visit
from pipeline_core.app.pages._named import by_feature, named, of_features
from pipeline_core.app.site import Site
from pipeline_core.app.space import RAW, REALIGNED, SYSTEMS
from pipeline_core.errors import LensError
from pipeline_core.library import Run
from pipeline_core.retrieval.adaptations.removal import MEMBER as REMOVAL
from pipeline_core.retrieval.adaptations.removal import RemovalSettings
from pipeline_core.settings import Unit
from pipeline_core.store.journal import LATEST
from pipeline_core.warehouse.parameters import told

_PARTS = 5

STEP = 0.0005
"""Of the slider for the share removed."""

Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")]


class Asked(Parameters):
    """A question, and what is to be found."""

    words: str = Field("", max_length=2000)
    picture: Digest | None = None
    sample: str = Field("", max_length=500)
    to: Literal["image", "text", "any"] = "image"
    k: int = Field(6, ge=1, le=50)
    beta: Unit | None = None
    share: Unit | None = None
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
    def unexplained_share(self) -> float | None:
        """The part that no feature explains, as a share of the score; None of a score of 0."""
        return self.unexplained / self.score if self.score else None

    @property
    def largest(self) -> float:
        """The largest part in absolute value, which is drawn at full length."""
        parts = [part for _, part in self.parts]
        return max(map(abs, [*parts, self.others, self.means, self.unexplained, 1e-12]))


@dataclass(frozen=True)
class Column:
    """The answers of one system; ``refused`` says why there are none, ``answer`` asks for the scores in SQL."""

    model: str
    system: str
    sae: str | None = None
    answer: Answer | None = None
    hits: tuple[Hit, ...] = ()
    features: Mapping[int, Mapping[str, Any]] | None = None
    pictures: Mapping[int, Mapping[str, Any]] | None = None
    refused: str = ""
    n_removed: int = 0


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
        adaptations = run.record.config["adaptations"]
        own_beta = adaptations["realign"]["beta"]
        own_share = adaptations.get(REMOVAL.name, {}).get("share", RemovalSettings().share)
        dials = Dials(own_beta if given.beta is None else given.beta, own_share if given.share is None else given.share)
        return {
            "asked": asked,
            "dials": dials,
            "own_beta": own_beta,
            "own_share": own_share,
            "most_share": _most_share(visit),
            "columns": list(_columns(visit, picture, dials)) if asked else [],
            "stored": _stored(visit) if given.sample else None,
            "saes": _saes(run, run.models[0]),
        }


@dataclass(frozen=True)
class Dials:
    """What the sliders say: ReAlign's shrinkage, and the share of features that is removed."""

    beta: float
    share: float


def _saes(run: Run, model: str) -> list[str]:
    return [one for one in run.saes if one.rpartition("/")[0] == model]


def _own_sae(visit: Visit, model: str) -> str | None:
    """Return the autoencoder that is asked for, if it is the model's, or the model's first."""
    own = _saes(visit.run, model)
    return visit.given.sae if visit.given.sae in own else next(iter(own), None)


def _most_share(visit: Visit) -> float:
    """Return the share of features that the slider ends at; 0 without any."""
    sae = _own_sae(visit, visit.run.models[0])
    if sae is None:
        return 0.0
    ranking = visit.site.ranking(visit.run, sae)
    return float(max(STEP, ranking.most / ranking.n_features // STEP * STEP))


def _load(site: Site, run: Run) -> None:
    with suppress(LensError):  # whoever searches is told
        for model in run.models:
            site.space(run, model)
            site.questions(run, model).embed("warm", None)


def _columns(visit: Visit, picture: bytes | None, dials: Dials) -> Iterator[Column]:
    """Yield the studied model's systems, then the other models' raw embeddings."""
    studied, *others = visit.run.models
    wanted = [(studied, system) for system in (*SYSTEMS, ABLATED)] + [(model, RAW) for model in others]
    for model, system in wanted:
        given = visit.given
        moved = dials.beta if system == REALIGNED else dials.share if system == ABLATED else None
        asked = given.words, given.picture, given.sample, given.to, given.k, given.sae, given.run == LATEST
        key = visit.run_id, model, system, moved, *asked
        try:
            # A slider moves one column: the others stay as they are.
            column = visit.site.columns.get(key) or _column(visit, model, system, picture, dials)
            visit.site.columns.put(key, column)
            yield column
        except LensError as error:
            yield Column(model, system, refused=str(error))


def _column(visit: Visit, model: str, system: str, picture: bytes | None, dials: Dials) -> Column:
    given, run, site = visit.given, visit.run, visit.site
    space, sae = site.space(run, model), _own_sae(visit, model)
    if given.sample:
        stored = _stored(visit)
        question = space.sample(given.sample, stored["modality"]) if stored else None
        if question is None:
            return Column(model, system, refused=f"it has no embedding of {given.sample}")
    else:
        question = site.questions(run, model).embed(given.words, picture)
    if system not in (RAW, ABLATED) and not space.fitted(question.group):
        return Column(model, system, refused="not fitted to such questions: the support split has none")
    n_removed, removal = 0, None
    if system == ABLATED:
        if sae is None:
            return Column(model, system, refused="it has no autoencoder")
        ablated = site.ablated(run, sae)
        n_removed = ablated.ranking.count(dials.share)
        best, removal = ablated.best(question, given.to, given.k, n_removed), ablated.ranking.removal(n_removed)
    else:
        best = space.best(question, system, given.to, given.k, dials.beta)
    samples = best.to_dicts()
    for sample in samples:
        sample["artifact"] = run.artifact("dataset").name
    answer = _asked_raw(visit, model, question.vector, samples) if system == RAW and samples else None
    if sae is None or not samples:
        return Column(model, system, None, answer, tuple(Hit(sample, sample["score"]) for sample in samples))
    groups = set(best["answering"])
    by_group = {
        name: (removal, removal) if removal else space.maps(system, question.group, name, dials.beta) for name in groups
    }
    explainer = site.explainer(run, sae)
    if system == RAW:  # what the other columns show is found already, and encoded together
        able = SYSTEMS if space.fitted(question.group) else (RAW,)
        rows = [space.best(question, one, given.to, given.k, dials.beta)["row"] for one in able]
        shown = space.items.vectors[np.unique(np.concatenate(rows))]
        explainer.encode(np.concatenate([question.vector[None], shown]))
    explained = explainer.explain(
        question.vector,
        space.items.vectors[np.array(best["row"])],
        [by_group[sample["answering"]] for sample in samples],
    )
    hits = []
    for sample, made in zip(samples, explained, strict=True):
        parts, rest = made.shown(_PARTS)
        hits.append(Hit(sample, sample["score"], parts, rest, made.means, made.unexplained))
    asked = sorted({feature for hit in hits for feature, _ in hit.parts})
    features = by_feature(named(visit, sae, asked))
    pictures = by_feature(of_features(visit, "pictures", visit.page.sql("pictures"), sae, asked))
    return Column(model, system, sae, answer, tuple(hits), features, pictures, n_removed=n_removed)


def _asked_raw(visit: Visit, model: str, question: Matrix, samples: Sequence[Mapping[str, Any]]) -> Answer:
    """Return what asks for the cosines of the raw embeddings in SQL; the question's stands in it to seven digits."""
    values = {
        "artifact": visit.run.artifact(f"activations/{model}").name,
        "rep": visit.site.space(visit.run, model).embeddings.rep_id,
        "answers": "\n".join(f"{sample['sample_id']}\t{sample['prompt_id']}" for sample in samples),
        "question": " ".join(f"{number:.7g}" for number in question.tolist()),
    }
    return Answer([], told(visit.page.sql("raw"), values))


def _stored(visit: Visit) -> dict[str, Any] | None:
    """Return the sample that is searched with; None: the data set has none of that name."""
    rows = visit.ask("stored", sample=visit.given.sample).rows
    return rows[0] if rows else None


MEMBER = Search()
