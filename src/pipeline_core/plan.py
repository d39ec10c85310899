"""The plan of a run: every step with its key, known before anything runs, because fingerprints need no results."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from pipeline_core.config import AnalysisConfig, DatasetConfig, ModelConfig, Recipe
from pipeline_core.datasets.registry import source_identity
from pipeline_core.fingerprint import StageKey
from pipeline_core.journal import RunArtifact
from pipeline_core.models.registry import is_contrastive, model_identity, pin_revision
from pipeline_core.stages import STAGES
from pipeline_core.store import Status, Store

_TOKEN_FIELDS = {"layer", "pooling", "mask", "token_roles"}
"""Fields of the extraction that a dual encoder, which gives one vector a sample, does not know."""


@dataclass(frozen=True)
class Step:
    """One artifact of a run.

    Attributes:
        name: unique in the run, e.g. ``sae/reference-mllm/paper``.
        key: what the artifact depends on.
        inputs: role -> name of the step that makes the input.
        model: the model concerned, None for the data set and the report.
        contrastive: the model is a dual encoder.
        recipe: the SAE recipe concerned, None before and after the SAEs.
    """

    name: str
    key: StageKey
    inputs: Mapping[str, str]
    model: ModelConfig | None = None
    contrastive: bool = False
    recipe: Recipe | None = None

    @property
    def stage(self) -> str:
        """The stage that builds it."""
        return self.key.stage


@dataclass(frozen=True)
class Plan:
    """The steps of a run by name, inputs before what needs them."""

    config: AnalysisConfig
    steps: Mapping[str, Step]

    def of_stage(self, stage: str, model: str | None = None) -> list[Step]:
        """Return the steps of a stage, of one model or of all."""
        return [
            s
            for s in self.steps.values()
            if s.stage == stage and (model is None or (s.model and s.model.name == model))
        ]

    def of_model(self, model: str) -> list[Step]:
        """Return the steps that concern one model."""
        return [s for s in self.steps.values() if s.model is not None and s.model.name == model]

    def status(self, store: Store) -> dict[str, Status]:
        """Say of each step whether its artifact is in the store. Changes nothing."""
        return {name: store.status(step.key) for name, step in self.steps.items()}

    def run_artifacts(self) -> list[RunArtifact]:
        """Return the artifacts that a run of this plan uses, for the journal."""
        return [RunArtifact(name=s.name, stage=s.stage, fingerprint=s.key.short) for s in self.steps.values()]

    def input_folder(self, store: Store, step: Step, role: str) -> Path:
        """Return the folder of an input artifact.

        Raises:
            StoreError: it is missing or damaged.
        """
        return store.get(self.steps[step.inputs[role]].key).folder


class _Builder:
    """Collects steps; an input is named by its step and enters the key as that step's fingerprint."""

    def __init__(self) -> None:
        self.steps: dict[str, Step] = {}

    def add(
        self,
        stage: str,
        name: str,
        config: Mapping[str, Any],
        inputs: Mapping[str, str],
        source: str | None = None,
        numerics: Mapping[str, Any] | None = None,
        **about: Any,
    ) -> str:
        fingerprints = {role: self.steps[step].key.fingerprint for role, step in inputs.items()}
        key = StageKey(stage, STAGES[stage].version, config, fingerprints, source, numerics)
        self.steps[name] = Step(name, key, dict(inputs), **about)
        return name


def plan_analysis(config: AnalysisConfig) -> Plan:
    """Plan the analysis of every model of ``config`` and the report over them.

    Raises:
        LensError: the data set or a model cannot be found.
    """
    builder = _Builder()
    dataset = builder.add(
        "dataset", "dataset", _dataset_slice(config.dataset), {}, source=source_identity(config.dataset)
    )
    inputs = {"dataset": dataset}
    for model in config.models:
        inputs |= _plan_model(builder, config, pin_revision(model), dataset)
    # Inputs have no order, and the first model is the one that the report is about.
    order = {"models": [model.name for model in config.models]}
    builder.add("report", "report", config.report.model_dump(mode="json") | order, inputs)
    return Plan(config, builder.steps)


def _dataset_slice(config: DatasetConfig) -> dict[str, Any]:
    """Return what a data set depends on: not the share of bad rows that is put up with, nor how its path is spelt."""
    path = None if config.path is None else str(Path(config.path).resolve())
    return config.model_dump(mode="json", exclude={"max_quarantine_share"}) | {"path": path}


def _plan_model(builder: _Builder, config: AnalysisConfig, model: ModelConfig, dataset: str) -> dict[str, str]:
    contrastive = is_contrastive(model)
    about: dict[str, Any] = {"model": model, "contrastive": contrastive}
    name = model.name
    activations = builder.add(
        "activations",
        f"activations/{name}",
        {
            "model": model.model_dump(mode="json"),
            "extraction": config.extraction.model_dump(mode="json", exclude=_TOKEN_FIELDS if contrastive else None),
        },
        {"dataset": dataset},
        source=model_identity(model),
        numerics=_numerics(config, model),
        **about,
    )
    saes: dict[str, str] = {}
    for recipe in config.sae.recipes[:1] if contrastive else config.sae.recipes:
        saes |= _plan_sae(builder, config, recipe, activations, dataset, about)
    retrieval = builder.add(
        "retrieval",
        f"retrieval/{name}",
        config.retrieval.model_dump(mode="json"),
        {"dataset": dataset, "activations": activations}
        | {r: s for r, s in saes.items() if not r.startswith("codes:")},
        **about,
    )
    index = builder.add(
        "index",
        f"index/{name}",
        config.index.model_dump(mode="json") | config.retrieval.model_dump(mode="json", include={"beta", "eps", "ks"}),
        {"dataset": dataset, "activations": activations},
        **about,
    )
    steps = {"activations": activations, "retrieval": retrieval, "index": index} | saes
    return {f"{role}@{name}": step for role, step in steps.items()}


def _plan_sae(
    builder: _Builder, config: AnalysisConfig, recipe: Recipe, activations: str, dataset: str, about: dict[str, Any]
) -> dict[str, str]:
    place = f"{about['model'].name}/{recipe}"
    about = about | {"recipe": recipe}
    settings = config.sae.model_dump(mode="json", exclude={"recipes", "contrastive", "checkpoint_steps"})
    if about["contrastive"]:
        settings |= config.sae.contrastive.model_dump(mode="json")
    sae = builder.add(
        "sae",
        f"sae/{place}",
        settings | {"recipe": recipe},
        {"activations": activations},
        numerics={"torch": metadata.version("torch"), "threads": config.extraction.threads},
        **about,
    )
    common = {"sae": sae, "activations": activations, "dataset": dataset}
    codes = builder.add("codes", f"codes/{place}", {}, common, **about)
    features = builder.add(
        "features",
        f"features/{place}",
        config.features.model_dump(mode="json"),
        {"sae": sae, "codes": codes, "dataset": dataset},
        **about,
    )
    return {f"sae:{recipe}": sae, f"codes:{recipe}": codes, f"features:{recipe}": features}


def _numerics(config: AnalysisConfig, model: ModelConfig) -> dict[str, Any]:
    return {
        "torch": metadata.version("torch"),
        "transformers": metadata.version("transformers"),
        "device": model.device,
        "dtype": model.dtype,
        "threads": config.extraction.threads,
        "attention": model.attention,
    }
