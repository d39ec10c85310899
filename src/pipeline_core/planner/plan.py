"""The plan of a run: every step with its key, known before anything runs, because fingerprints need no results."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pipeline_core.config import RunConfig
from pipeline_core.contracts.suites import written_contract
from pipeline_core.model_facts import ModelFacts
from pipeline_core.schema import tables_of
from pipeline_core.stage import BuiltTogether, ModelSubject, Partitioned, Stage, Subject
from pipeline_core.store.artifacts import Status, Store
from pipeline_core.store.fingerprint import StageKey
from pipeline_core.store.journal import RunArtifact


@dataclass(frozen=True)
class Step:
    """One artifact of a run.

    Attributes:
        name: unique in the run, e.g. ``sae/reference-mllm/paper``.
        maker: the stage that builds it.
        key: what the artifact depends on.
        inputs: role -> name of the step that makes the input.
        subject: what it is about, typed by the stage's scope.
        repetition: 0 for the analysis itself; r for what is repeated with every seed raised by r.
    """

    name: str
    maker: Stage[Any]
    key: StageKey
    inputs: Mapping[str, str]
    subject: Subject
    repetition: int = 0

    @property
    def stage(self) -> str:
        """Name of the stage that builds it."""
        return self.key.stage

    @cached_property
    def rules(self) -> str:
        """A digest of what its artifact is accepted by, and may have to be judged by anew: contracts and tolerances."""
        contracts = [written_contract(table.name) for table in tables_of(self.stage)]
        tolerated = {
            path: section.model_dump(mode="json", include=set(section.tolerance))
            for path, section in self.subject.sections.items()
            if path not in self.maker.unkeyed(self.subject)
        }
        return hashlib.sha256(json.dumps([contracts, tolerated]).encode()).hexdigest()

    @property
    def parts(self) -> Partitioned[Any, Any] | None:
        """Its stage, if it is built in parts that several workers may share; see ``execution.claimed_parts``."""
        return self.maker if isinstance(self.maker, Partitioned) else None


@dataclass(frozen=True)
class Plan:
    """The steps of a run by name, inputs before what needs them."""

    config: RunConfig
    steps: Mapping[str, Step]

    @property
    def models(self) -> tuple[ModelFacts, ...]:
        """The models that its steps are about, the one studied first."""
        subjects = (step.subject for step in self.steps.values())
        return tuple(dict.fromkeys(subject.model for subject in subjects if isinstance(subject, ModelSubject)))

    def of_stage(self, stage: str, model: str | None = None, repetition: int = 0) -> list[Step]:
        """Return the steps of a stage over the data analysed in one repetition, of one model or of all."""
        return [
            step
            for step in self.steps.values()
            if step.stage == stage
            and (step.repetition, step.subject.data) == (repetition, "")
            and (model is None or step.subject.model_name == model)
        ]

    def fellows(self, step: Step) -> list[Step]:
        """Return the other steps that one pass over the same inputs can build with a step."""
        maker = step.maker
        if not isinstance(maker, BuiltTogether) or (company := maker.company(step.subject)) is None:
            return []
        return [
            other
            for other in self.steps.values()
            if other.maker is maker
            and other is not step
            and other.inputs == step.inputs
            and maker.company(other.subject) == company
        ]

    def status(self, store: Store) -> dict[str, Status]:
        """Say of each step whether its artifact is in the store. Changes nothing."""
        return {name: store.status(step.key) for name, step in self.steps.items()}

    def is_settled(self, store: Store) -> bool:
        """Say whether every artifact is in the store, and was accepted by today's rules; only manifests are read."""
        return set(self.status(store).values()) == {"present"} and all(
            store.find(step.stage, step.key.short).manifest.rules == step.rules for step in self.steps.values()
        )

    def run_artifacts(self) -> list[RunArtifact]:
        """Return the artifacts that a run of this plan uses, for the journal."""
        return [
            RunArtifact(
                name=s.name, stage=s.stage, fingerprint=s.key.short, repetition=s.repetition, data=s.subject.data
            )
            for s in self.steps.values()
        ]
