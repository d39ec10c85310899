"""Runs as the tests compose them: folders by model and repetition, told as what a report is made from."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pipeline_core.dataset.sources import SOURCES
from pipeline_core.report.inputs import ReportedModel, ReportInputs, RunFacts, UsedArtifact


@dataclass(frozen=True)
class SaeFolders:
    """One sparse autoencoder of a model."""

    sae_id: str
    sae: Path
    codes: Path
    features: Path


@dataclass(frozen=True)
class ModelFolders:
    """One model's artifacts by stage; a plain analysis has no grid, doses, attention and efficiency."""

    name: str
    kind: Literal["generative", "contrastive"]
    activations: Path
    retrieval: Path
    saes: tuple[SaeFolders, ...] = ()
    index: Path | None = None
    grid: Path | None = None
    doses: Path | None = None
    attention: Path | None = None
    efficiency: Path | None = None
    fine_tuned: bool = False
    identity: str = ""
    rendering: Literal["released", "generation", "own", "none"] = "none"

    @property
    def stages(self) -> dict[str, Path]:
        """The folders of the stages of a whole model that it has."""
        names = ("retrieval", "grid", "doses", "index", "attention", "efficiency")
        return {name: folder for name in names if (folder := getattr(self, name)) is not None}


@dataclass(frozen=True)
class RunWorld:
    """A run: the first model is the one studied; ``repetitions`` holds the same models for each further seed."""

    dataset: Path
    models: tuple[ModelFolders, ...]
    run: RunFacts = field(default_factory=RunFacts)
    repetitions: tuple[tuple[ModelFolders, ...], ...] = ()

    @property
    def studied(self) -> ModelFolders:
        """The model that the report is about."""
        return self.models[0]

    @property
    def compared(self) -> tuple[ModelFolders, ...]:
        """The models beside it."""
        return self.models[1:]

    def told(self) -> ReportInputs:
        """Tell it as what a report is made from."""
        models = tuple(
            ReportedModel(
                model.name,
                model.kind,
                model.fine_tuned,
                tuple(sae.sae_id for sae in model.saes),
                identity=model.identity,
                rendering=model.rendering,
            )
            for model in self.models
        )
        source = SOURCES["emoji"]
        return ReportInputs(tuple(self._artifacts()), models, source.name, source.credit, self.run)

    def _artifacts(self) -> Iterator[UsedArtifact]:
        """Yield every artifact; repetitions share the data set and the activations of the analysis."""
        for repetition, models in enumerate((self.models, *self.repetitions)):
            yield UsedArtifact("dataset", self.dataset, repetition)
            for model in models:
                if repetition == 0:
                    yield UsedArtifact("activations", model.activations, 0, model.name)
                for stage, folder in model.stages.items():
                    yield UsedArtifact(stage, folder, repetition, model.name)
                for sae in model.saes:
                    for stage in ("sae", "codes", "features"):
                        yield UsedArtifact(stage, getattr(sae, stage), repetition, model.name, sae.sae_id)
