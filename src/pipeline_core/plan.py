"""The plan of a run: every step with its key, known before anything runs, because fingerprints need no results.

planner.py makes plans; here is what a plan is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline_core.config import AnalysisConfig, ModelConfig, Recipe
from pipeline_core.store.artifacts import Status, Store
from pipeline_core.store.fingerprint import StageKey
from pipeline_core.store.journal import RunArtifact


@dataclass(frozen=True)
class Step:
    """One artifact of a run.

    Attributes:
        name: unique in the run, e.g. ``sae/reference-mllm/paper``.
        key: what the artifact depends on.
        inputs: role -> name of the step that makes the input.
        config: the config that it is built by; its seeds are those of the repetition.
        model: the model concerned, None for the data set and the report.
        contrastive: the model is a dual encoder.
        recipe: the SAE recipe concerned, None before and after the SAEs.
        repetition: 0 for the analysis itself; r for what is repeated with every seed raised by r.
    """

    name: str
    key: StageKey
    inputs: Mapping[str, str]
    config: AnalysisConfig
    model: ModelConfig | None = None
    contrastive: bool = False
    recipe: Recipe | None = None
    repetition: int = 0

    @property
    def stage(self) -> str:
        """The stage that builds it."""
        return self.key.stage


@dataclass(frozen=True)
class Plan:
    """The steps of a run by name, inputs before what needs them."""

    config: AnalysisConfig
    steps: Mapping[str, Step]

    def of_stage(self, stage: str, model: str | None = None, repetition: int = 0) -> list[Step]:
        """Return the steps of a stage in one repetition, of one model or of all."""
        return [
            s
            for s in self.steps.values()
            if s.stage == stage
            and s.repetition == repetition
            and (model is None or (s.model and s.model.name == model))
        ]

    def status(self, store: Store) -> dict[str, Status]:
        """Say of each step whether its artifact is in the store. Changes nothing."""
        return {name: store.status(step.key) for name, step in self.steps.items()}

    def run_artifacts(self) -> list[RunArtifact]:
        """Return the artifacts that a run of this plan uses, for the journal."""
        return [
            RunArtifact(name=s.name, stage=s.stage, fingerprint=s.key.short, repetition=s.repetition)
            for s in self.steps.values()
        ]

    def input_folder(self, store: Store, step: Step, role: str) -> Path:
        """Return the folder of an input artifact.

        Raises:
            StoreError: it is missing or damaged.
        """
        return store.get(self.steps[step.inputs[role]].key).folder
