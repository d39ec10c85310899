"""Search by words, a picture, both or a stored sample: a column a system, and the features that made each score."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, StringConstraints

from pipeline_core.app.ablation import ABLATED, STEP, Ablated
from pipeline_core.app.answers import Answer
from pipeline_core.app.kin import with_kin
from pipeline_core.app.pages import Page, Parameters, Visit
from pipeline_core.app.pages._named import by_feature, named, of_features
from pipeline_core.app.site import Site
from pipeline_core.app.space import RAW, REALIGNED, SYSTEMS, Key, Space, Way
from pipeline_core.app.space import Asked as Question
from pipeline_core.errors import LensError, QueryError
from pipeline_core.library import Run
from pipeline_core.retrieval.adaptations.removal import MEMBER as REMOVAL
from pipeline_core.retrieval.adaptations.removal import RemovalSettings
from pipeline_core.settings import Unit
from pipeline_core.store.journal import LATEST
from pipeline_core.warehouse.parameters import told

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
    computes = True

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
            space, saes = site.space(run, model), _saes(run, model)
            ablated = site.ablated(run, saes[0]) if saes and model == run.models[0] else None
            for name in space.sets:
                space.lengths(name)
                if ablated:
                    ablated.lengths(name, 0)
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
    if system == ABLATED and sae is None:
        return Column(model, system, refused="it has no autoencoder")
    ablated = site.ablated(run, sae) if sae and model == run.models[0] else None
    n_removed = ablated.ranking.count(dials.share) if ablated and system == ABLATED else 0
    ways = _ways(space, ablated, question.group, dials)
    found = space.best(question, dict(ways.values()), given.to, given.k)
    best = found[ways[system][0]]
    samples = with_kin(visit.connection, visit.run_id, best.to_dicts())
    for sample in samples:
        sample["artifact"] = run.artifact("dataset").name
    answer = _asked_again(visit, model, question, ways[system][1], samples) if samples else None
    if sae is None or not samples:
        return Column(model, system, None, answer, tuple(Hit(sample, sample["score"]) for sample in samples))
    removal = ablated.ranking.removal(n_removed) if ablated and system == ABLATED else None
    by_group = {
        name: (removal, removal) if removal else space.maps(system, question.group, name, dials.beta)
        for name in set(best["answering"])
    }
    explainer = site.explainer(run, sae)
    # What other columns show is encoded together with it.
    shown = np.unique(np.concatenate([one["row"].to_numpy() for one in found.values()]))
    explainer.encode(np.concatenate([question.vector[None], space.items.vectors[shown]]))
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


def _ways(space: Space, ablated: Ablated | None, group: str, dials: Dials) -> dict[str, tuple[Key, Way]]:
    """Return the systems that can be asked by questions of a group: whoever sees one sees the others, too."""
    ways = {system: space.way(system, dials.beta) for system in (SYSTEMS if space.fitted(group) else (RAW,))}
    if ablated is not None:
        with suppress(QueryError):  # its own column tells why
            ways[ABLATED] = ablated.way(ablated.ranking.count(dials.share))
    return ways


def _asked_again(
    visit: Visit, model: str, question: Question, way: Way, samples: Sequence[Mapping[str, Any]]
) -> Answer:
    """Return what asks for the scores of answers in SQL; what the map makes of the question stands in it."""
    space = visit.site.space(visit.run, model)
    questions, answers = [], []
    for kind in sorted({sample["answering"] for sample in samples}):
        own = [sample for sample in samples if sample["answering"] == kind]
        told_once = space.sets[kind].linear(way(question, kind), np.array([sample["row"] for sample in own]))
        numbers = " ".join(f"{number:.9g}" for number in told_once.direction.tolist())
        questions.append(f"{kind}\t{told_once.added!r}\t{numbers}")
        answers += [
            f"{sample['sample_id']}\t{sample['prompt_id']}\t{kind}\t{length!r}"
            for sample, length in zip(own, told_once.lengths.tolist(), strict=True)
        ]
    values = {
        "artifact": visit.run.artifact(f"activations/{model}").name,
        "rep": space.embeddings.rep_id,
        "answers": "\n".join(answers),
        "questions": "\n".join(questions),
    }
    return Answer([], told(visit.page.sql("scores"), values))


def _stored(visit: Visit) -> dict[str, Any] | None:
    """Return the sample that is searched with; None: the data set has none of that name."""
    rows = visit.ask("stored", sample=visit.given.sample).rows
    return rows[0] if rows else None


MEMBER = Search()
