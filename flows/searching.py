"""A search: words, a picture or both, embedded by the model of a run and looked up in that run's index."""

from pathlib import Path

from pipeline_core.activations.query import Question, embed_question
from pipeline_core.config import parse_config
from pipeline_core.errors import QueryError, StoreError
from pipeline_core.index.items import group_name
from pipeline_core.index.search import SearchResult, Target, search
from pipeline_core.models.facts import describe_model
from pipeline_core.models.loading import load_embedder
from pipeline_core.planner.execution import CACHE
from pipeline_core.store.artifacts import Store
from pipeline_core.store.journal import read_runs


def search_run(root: Path, question: Question, to: Target, k: int, model: str | None) -> SearchResult:
    """Search the index of the latest completed run.

    Args:
        root: the store.
        question: what is looked for.
        to: modality of the answers.
        k: hits a variant.
        model: one of the run's models; by default the one that it studied.

    Raises:
        StoreError: there is no completed run, or an artifact that it used is missing or damaged.
        QueryError: the run had no such model, the model has changed since, or the question cannot be embedded.
        ConfigError: the run is of an older version, whose config had other fields.
    """
    modality = question.modality
    completed = [run for run in read_runs(root) if run.state == "completed"]
    if not completed:
        raise StoreError(f"the store {root} has no completed run", "run lens run")
    run = completed[-1]
    config = parse_config(run.config)
    models = {m.label: m for m in ((config.model,) if run.flow == "analyze" else config.models)}
    chosen = models.get(model or config.model.label)
    if chosen is None:
        raise QueryError(f"the latest run had no model {model!r}", f"it had {', '.join(models)}")
    used = {artifact.name: artifact for artifact in run.artifacts}
    dataset, activations, index = (
        Store(root).find(used[name].stage, used[name].fingerprint)
        for name in ("dataset", f"activations/{chosen.label}", f"index/{chosen.label}")
    )
    facts = describe_model(chosen)
    if facts.identity != activations.manifest.source:
        raise QueryError(f"the model {chosen.label} has changed since the index was built", "run lens run again")
    embedder = load_embedder(chosen, facts, config.placement.device, root / CACHE)
    sections = config.section("activations"), config.section("representation")
    vector, prompt_id = embed_question(embedder, question, dataset.folder, *sections)
    return search(index.folder, vector, to, k, group_name(modality, prompt_id))
