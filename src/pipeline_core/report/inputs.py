"""What a report is made from: the artifacts of a run with what each is about, its models, and facts of the run."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pipeline_core.dataset.settings import DatasetSettings
from pipeline_core.model_facts import ModelFacts
from pipeline_core.models.families import FAMILIES
from pipeline_core.presets.protocol import OWN, ProtocolSettings
from pipeline_core.report.settings import ReportSettings
from pipeline_core.stage import RunSubject, Used, Work


@dataclass(frozen=True)
class UsedArtifact:
    """An artifact, the stage that made it, and what it is about; ``repetition`` 0 is the analysis itself."""

    stage: str
    folder: Path
    repetition: int = 0
    model: str | None = None
    sae_id: str | None = None


@dataclass(frozen=True)
class ReportedModel:
    """A model of the run, with its sparse autoencoders in the order of the config.

    ``rendering``: how its prompts end, ``own`` where its family lays them out, ``none`` where it follows none.
    """

    name: str
    kind: Literal["generative", "contrastive"]
    fine_tuned: bool = False
    saes: tuple[str, ...] = ()
    family: str | None = None
    identity: str = ""
    rendering: Literal["released", "generation", "own", "none"] = "none"

    @property
    def shown(self) -> str:
        """Its name and the family that serves it."""
        return self.name if self.family is None else f"{self.name} (family {self.family})"


@dataclass(frozen=True)
class ReportedSae:
    """A sparse autoencoder: its id, its name within its model, and the model with its place in the run."""

    sae_id: str
    name: str
    place: int
    model: str


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

    Attributes:
        artifacts: all of them, in the order of the run.
        models: of the run.
        data_set: what people call the data set.
        credit: what its licence wants said, if anything.
        run: stages and contracts.
        protocol: which it follows and where it does not, if it is not our own.
    """

    artifacts: tuple[UsedArtifact, ...]
    models: tuple[ReportedModel, ...]
    data_set: str
    credit: str | None = None
    run: RunFacts = RunFacts()
    protocol: str = ""

    @property
    def studied(self) -> ReportedModel:
        """The model that the report is about."""
        return self.models[0]

    @property
    def compared(self) -> tuple[ReportedModel, ...]:
        """The models beside it."""
        return self.models[1:]

    @property
    def saes(self) -> tuple[ReportedSae, ...]:
        """All sparse autoencoders, in the order of the models."""
        return tuple(
            ReportedSae(sae_id, sae_id.rpartition("/")[2], place, model.name)
            for place, model in enumerate(self.models)
            for sae_id in model.saes
        )

    @property
    def sae_ids(self) -> list[str]:
        """Their ids, in the same order."""
        return [sae.sae_id for sae in self.saes]

    @cached_property
    def dataset(self) -> Path:
        """The data set of the analysis."""
        return next(used.folder for used in self.artifacts if used.stage == "dataset")

    def has(self, stage: str, model: str) -> bool:
        """Say whether the run has an artifact of a stage for a model."""
        return any((used.stage, used.model) == (stage, model) for used in self.artifacts)


def inputs_of(work: Work[RunSubject]) -> ReportInputs:
    """Return what the report of a run is made from."""
    from pipeline_core.dataset.sources import SOURCES  # noqa: PLC0415 - imports every source

    settings, data = work.settings(ReportSettings), work.settings(DatasetSettings)
    # What autoencoders were trained on besides is no part of what is reported but for its times.
    artifacts = tuple(_artifact(used) for used in work.used if not used.subject.data)
    saes = dict.fromkeys((a.model, a.sae_id) for a in artifacts if a.repetition == 0 and a.sae_id is not None)
    models = tuple(
        ReportedModel(
            model.name,
            model.kind,
            model.name in settings.fine_tuned,
            tuple(sae_id for owner, sae_id in saes if owner == model.name and sae_id is not None),
            model.family,
            model.identity,
            rendering_of(model),
        )
        for model in work.subject.models
    )
    stages = tuple(StageFact(used.step, used.stage, used.folder.name, used.seconds) for used in work.used)
    contracts = tuple(
        {"artifact": used.folder.name, **result}
        for used in work.used
        if used.repetition == 0 and not used.subject.data
        for result in used.contracts
    )
    protocol = work.settings(ProtocolSettings)
    told = "" if protocol.name == OWN else protocol.told
    return ReportInputs(artifacts, models, data.label, SOURCES[data.name].credit, RunFacts(stages, contracts), told)


def rendering_of(model: ModelFacts) -> Literal["released", "generation", "own", "none"]:
    """Return how the prompts of a model end; see ``ReportedModel``."""
    if not model.prompts:
        return "none"
    return "own" if FAMILIES[model.family].traits(model.place).lays_out else model.rendering


def _artifact(used: Used) -> UsedArtifact:
    model, sae = used.subject.model_name, used.subject.sae_name
    return UsedArtifact(used.stage, used.folder, used.repetition, model, f"{model}/{sae}" if sae else None)
