"""How a config becomes a plan: which steps there are, what each depends on, and what each is built from."""

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from pipeline_core.config import AnalysisConfig, DatasetConfig, ModelConfig, Recipe
from pipeline_core.dataset.registry import source_identity
from pipeline_core.models.registry import is_contrastive, model_identity, pin_revision
from pipeline_core.plan import Plan, Step
from pipeline_core.settings import Section
from pipeline_core.stages import STAGES
from pipeline_core.store.fingerprint import StageKey

_TOKEN_FIELDS = {"layer", "token_roles"}
"""Fields of the extraction that a dual encoder, which gives one vector a sample, does not know."""

_SWEEP_FIELDS = {"betas", "pca_ranks", "layer_average_beta"}
_REMOVAL_FIELDS = {"removal_shares", "removal_ranks", "cumulative_features", "single_features", "random_draws"}
_SCORING_FIELDS = {"ks", "bootstrap", "permutations", "depth", "seed"}


def plan_analysis(config: AnalysisConfig) -> Plan:
    """Plan the analysis of every model of ``config`` and the report over them.

    Raises:
        LensError: the data set or a model cannot be found.
    """
    planner = _Planner(config)
    planner.analyse()
    return planner.finish()


def plan_sweep(config: AnalysisConfig) -> Plan:
    """Plan the analysis, all that is measured beside it, its repetitions with other seeds, and the report over them.

    Only attention runs a model again: everything else is computed from embeddings that the analysis stored.

    Raises:
        LensError: the data set or a model cannot be found.
    """
    planner = _Planner(config)
    planner.analyse()
    planner.sweep()
    for repetition in range(1, config.sweep.repetitions):
        planner.repeat(repetition)
    return planner.finish()


class _Planner:
    """Collects steps; an input is named by its step and enters the key as that step's fingerprint."""

    def __init__(self, config: AnalysisConfig) -> None:
        self.config = config
        self.models = tuple(pin_revision(model) for model in config.models)
        self.steps: dict[str, Step] = {}

    def finish(self) -> Plan:
        """Add the report, which needs every other step, and return the plan."""
        # Inputs have no order, and the first model is the one that the report is about.
        about_models = {
            "models": [model.name for model in self.config.models],
            "fine_tuned": [model.name for model in self.config.models if model.fine_tuned],
        }
        settings = self.config.report.model_dump(mode="json") | about_models
        self._add("report", "report", settings, {name: name for name in self.steps}, self.config)
        return Plan(self.config, self.steps)

    def analyse(self) -> None:
        """Add the data set and every model's analysis."""
        config = self.config
        source = source_identity(config.dataset)
        self._add("dataset", "dataset", _dataset_slice(config.dataset), {}, config, source=source)
        for model in self.models:
            self._extract(model)
            self._score(model, config, 0)
            self._add(
                "index",
                f"index/{model.name}",
                _json(config.index) | _json(config.retrieval, {"beta", "eps", "ks"}) | self._representation(model),
                {"dataset": "dataset", "activations": f"activations/{model.name}"},
                config,
                **_about(model),
            )

    def sweep(self) -> None:
        """Add what is measured once beside the analysis: sweeps, dose response, attention and efficiency."""
        for model in self.models:
            self._sweep_model(model, self.config, 0)
            if not is_contrastive(model):
                self._add(
                    "attention",
                    f"attention/{model.name}",
                    {"model": _model_slice(model), **_json(self.config.attention)},
                    {"dataset": "dataset"},
                    self.config,
                    source=model_identity(model),
                    numerics=_numerics(self.config, model) | {"attention": "eager"},
                    **_about(model),
                )
            self._add(
                "efficiency",
                f"efficiency/{model.name}",
                _json(self.config.efficiency) | _json(self.config.retrieval, {"beta", "eps"}),
                {"activations": f"activations/{model.name}"},
                self.config,
                numerics={"torch": metadata.version("torch"), "threads": self.config.extraction.threads},
                **_about(model),
            )

    def repeat(self, repetition: int) -> None:
        """Add a repetition: support and validation drawn anew, SAEs trained from another seed, all scored again."""
        config = self.config.repeated(repetition)
        dataset = f"repetition-{repetition}/dataset"
        self._add(
            "dataset", dataset, {"seed": config.dataset.seed}, {"dataset": "dataset"}, config, repetition=repetition
        )
        for model in self.models:
            self._score(model, config, repetition)
            self._sweep_model(model, config, repetition)

    def _extract(self, model: ModelConfig) -> None:
        contrastive = is_contrastive(model)
        extraction = self.config.extraction.model_dump(mode="json", exclude=_TOKEN_FIELDS if contrastive else None)
        self._add(
            "activations",
            f"activations/{model.name}",
            {"model": _model_slice(model), "extraction": extraction},
            {"dataset": "dataset"},
            self.config,
            source=model_identity(model),
            numerics=_numerics(self.config, model),
            **_about(model),
        )

    def _score(self, model: ModelConfig, config: AnalysisConfig, repetition: int) -> None:
        """Add SAEs, their features, and retrieval."""
        for recipe in _recipes(config, model):
            self._train(model, recipe, config, repetition)
        self._add(
            "retrieval",
            _name(repetition, "retrieval", model.name),
            _json(config.retrieval) | self._representation(model),
            self._scored_inputs(model, config, repetition),
            config,
            repetition=repetition,
            **_about(model),
        )

    def _sweep_model(self, model: ModelConfig, config: AnalysisConfig, repetition: int) -> None:
        """Add the sweep over representations and adaptations, and the dose response of removal."""
        inputs = self._scored_inputs(model, config, repetition)
        self._add(
            "sweep",
            _name(repetition, "sweep", model.name),
            _json(config.sweep, _SWEEP_FIELDS)
            | _json(config.retrieval, _SCORING_FIELDS | {"beta", "eps"})
            | self._representation(model),
            {role: inputs[role] for role in ("dataset", "activations")},
            config,
            repetition=repetition,
            **_about(model),
        )
        self._add(
            "removal",
            _name(repetition, "removal", model.name),
            _json(config.sweep, _REMOVAL_FIELDS)
            | _json(config.retrieval, _SCORING_FIELDS | {"removal_share"})
            | self._representation(model),
            inputs,
            config,
            repetition=repetition,
            **_about(model),
        )

    def _train(self, model: ModelConfig, recipe: Recipe, config: AnalysisConfig, repetition: int) -> None:
        about = _about(model) | {"recipe": recipe, "repetition": repetition}
        settings = config.sae.model_dump(mode="json", exclude={"recipes", "contrastive", "checkpoint_steps"})
        if is_contrastive(model):
            settings |= _json(config.sae.contrastive)
        activations = f"activations/{model.name}"
        sae = self._add(
            "sae",
            _name(repetition, "sae", f"{model.name}/{recipe}"),
            settings | {"recipe": recipe},
            {"activations": activations},
            config,
            numerics={"torch": metadata.version("torch"), "threads": config.extraction.threads},
            **about,
        )
        # Codes tell samples' modalities, which no repetition changes; their statistics depend on the splits.
        codes = self._add(
            "codes",
            _name(repetition, "codes", f"{model.name}/{recipe}"),
            self._representation(model),
            {"sae": sae, "activations": activations, "dataset": "dataset"},
            config,
            **about,
        )
        self._add(
            "features",
            _name(repetition, "features", f"{model.name}/{recipe}"),
            _json(config.features),
            {"sae": sae, "codes": codes, "dataset": _name(repetition, "dataset")},
            config,
            **about,
        )

    def _scored_inputs(self, model: ModelConfig, config: AnalysisConfig, repetition: int) -> dict[str, str]:
        inputs = {"dataset": _name(repetition, "dataset"), "activations": f"activations/{model.name}"}
        for recipe in _recipes(config, model):
            for stage in ("sae", "features"):
                inputs[f"{stage}:{recipe}"] = _name(repetition, stage, f"{model.name}/{recipe}")
        return inputs

    def _representation(self, model: ModelConfig) -> dict[str, Any]:
        """Return the slice that names the representation; a dual encoder has only one."""
        return {} if is_contrastive(model) else {"representation": _json(self.config.representation)}

    def _add(
        self,
        stage: str,
        name: str,
        settings: Mapping[str, Any],
        inputs: Mapping[str, str],
        config: AnalysisConfig,
        source: str | None = None,
        numerics: Mapping[str, Any] | None = None,
        **about: Any,
    ) -> str:
        fingerprints = {role: self.steps[step].key.fingerprint for role, step in inputs.items()}
        key = StageKey(stage, STAGES[stage].version, settings, fingerprints, source, numerics)
        self.steps[name] = Step(name, key, dict(inputs), config, **about)
        return name


def _name(repetition: int, *parts: str) -> str:
    place = "/".join(parts)
    return f"repetition-{repetition}/{place}" if repetition else place


def _about(model: ModelConfig) -> dict[str, Any]:
    return {"model": model, "contrastive": is_contrastive(model)}


def _recipes(config: AnalysisConfig, model: ModelConfig) -> tuple[Recipe, ...]:
    return config.sae.recipes[:1] if is_contrastive(model) else config.sae.recipes


def _json(section: Section, fields: set[str] | None = None) -> dict[str, Any]:
    return section.model_dump(mode="json", include=fields)


def _model_slice(model: ModelConfig) -> dict[str, Any]:
    """Return what a model's vectors depend on: not what it is compared as."""
    return model.model_dump(mode="json", exclude={"fine_tuned"})


def _dataset_slice(config: DatasetConfig) -> dict[str, Any]:
    """Return what a data set depends on: not the share of bad rows that is put up with, nor how its path is spelt."""
    path = None if config.path is None else str(Path(config.path).resolve())
    return config.model_dump(mode="json", exclude={"max_quarantine_share"}) | {"path": path}


def _numerics(config: AnalysisConfig, model: ModelConfig) -> dict[str, Any]:
    return {
        "torch": metadata.version("torch"),
        "transformers": metadata.version("transformers"),
        "device": model.device,
        "dtype": model.dtype,
        "threads": config.extraction.threads,
        "attention": model.attention,
    }
