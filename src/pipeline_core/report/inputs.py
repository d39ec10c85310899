"""What a report is made from: artifact folders of one data set and of each model, and facts of the run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline_core.config import AnalysisConfig


@dataclass(frozen=True)
class SaeArtifacts:
    """One sparse autoencoder of a model."""

    sae_id: str
    sae: Path
    codes: Path
    features: Path


@dataclass(frozen=True)
class ModelArtifacts:
    """One model's artifacts; a plain analysis has no sweep, removal, attention and efficiency.

    A repetition shares the activations of the analysis, and has neither index nor attention nor efficiency.
    """

    name: str
    kind: Literal["generative", "contrastive"]
    activations: Path
    retrieval: Path
    saes: tuple[SaeArtifacts, ...] = ()
    index: Path | None = None
    sweep: Path | None = None
    removal: Path | None = None
    attention: Path | None = None
    efficiency: Path | None = None
    fine_tuned: bool = False


@dataclass(frozen=True)
class StageFact:
    """One stage of the run: its name there, its artifact, and the seconds that it took to build, in whichever run."""

    name: str
    stage: str
    fingerprint: str
    seconds: float | None


@dataclass(frozen=True)
class RunFacts:
    """Stages in the order of the run, and the outcome of every expectation on the artifacts of the analysis itself.

    Outcomes have the columns of ``contract_results``.
    """

    stages: tuple[StageFact, ...] = ()
    contracts: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class ReportInputs:
    """Everything that the report shows; the model studied comes first.

    ``repetitions`` holds the same models' artifacts for each further seed: the first is repetition 1.
    """

    dataset: Path
    models: tuple[ModelArtifacts, ...]
    config: AnalysisConfig
    run: RunFacts = RunFacts()
    repetitions: tuple[tuple[ModelArtifacts, ...], ...] = ()

    @property
    def studied(self) -> ModelArtifacts:
        """The model that the report is about."""
        return self.models[0]

    @property
    def compared(self) -> tuple[ModelArtifacts, ...]:
        """The models beside it."""
        return self.models[1:]
