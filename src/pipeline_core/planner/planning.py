"""How a config becomes a plan: from each stage's scope, inputs and sections follow its steps and their keys."""

import hashlib
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

from pipeline_core.config import RunConfig
from pipeline_core.errors import ConfigError
from pipeline_core.model_facts import ModelFacts
from pipeline_core.models.facts import describe_model, pinned
from pipeline_core.models.settings import ModelSettings
from pipeline_core.pipeline import SAES, STAGES
from pipeline_core.planner.plan import Plan, Step
from pipeline_core.registry import Registry
from pipeline_core.settings import Section
from pipeline_core.stage import Input, ModelSubject, RunSubject, SaeSubject, Scope, Stage, Subject
from pipeline_core.store.digests import file_digest
from pipeline_core.store.fingerprint import StageKey, canonical_json

MODEL = "model"
"""Section of the model that a step runs: which, at what precision."""


def plan_analysis(config: RunConfig) -> Plan:
    """Plan the analysis of every model of ``config`` and the report over them.

    Raises:
        LensError: the data set or a model cannot be found.
    """
    return _Planner(config, "analysis").plan(repetitions=1)


def plan_sweep(config: RunConfig) -> Plan:
    """Plan the analysis, all that is measured beside it, its repetitions with other seeds, and the report over them.

    Raises:
        LensError: the data set or a model cannot be found.
    """
    return _Planner(config, "analysis", "sweep").plan(config.repetitions)


class _Planner:
    """Collects steps; an input is named by its step and enters the key as that step's fingerprint."""

    def __init__(self, config: RunConfig, *parts: str) -> None:
        described = [(settings, describe_model(settings)) for settings in config.models]
        self.models = [(pinned(settings, facts), facts) for settings, facts in described]
        model, *others = (settings for settings, _ in self.models)
        # What is kept of a run says what it ran, wherever it was started and whatever a branch became since.
        self.config = config.model_copy(update={"model": model, "compare_with": tuple(others)})
        self.stages = [stage for stage in STAGES.values() if stage.part in parts]
        self.data = {stage.name: _digest(stage) for stage in self.stages}
        self.steps: dict[str, Step] = {}
        self.others: dict[str, str] = {}
        if getattr(config, SAES) and not any(config.saes(facts) for _, facts in self.models):
            names = ", ".join(facts.name for _, facts in self.models)
            states = "tokens" if self.models[0][1].has_tokens else "vectors"
            raise ConfigError(
                f"no autoencoder of the list {SAES} is for {names}", f"set states: {states} in an element"
            )

    def plan(self, repetitions: int) -> Plan:
        """Go through repetitions, models and stages in order; what needs everything comes last."""
        for repetition in range(repetitions):
            config = self.config.repeated(repetition)
            for stage in self._present(repetition, Scope.DATA_SET):
                self._add(stage, Subject(**self._declared(stage, config)), repetition)
            for settings, facts in self.models:
                self._add_model(settings, facts, config, repetition)
        for stage in self._present(0, Scope.RUN):
            models = tuple(facts for _, facts in self.models)
            self._add(stage, RunSubject(**self._declared(stage, self.config), models=models), 0)
        return Plan(self.config, self.steps)

    def _add_model(self, settings: ModelSettings, facts: ModelFacts, config: RunConfig, repetition: int) -> None:
        for stage in self._present(repetition, Scope.MODEL, Scope.SAE):
            declared = self._declared(stage, config, settings, facts)
            if stage.scope is Scope.MODEL:
                self._add(stage, ModelSubject(**declared, model=facts), repetition)
                continue
            for sae in config.saes(facts):
                sections = declared["sections"] | ({SAES: sae} if stage.name == SAES else {})
                about: dict[str, Any] = {**declared, "sections": sections}
                self._add(stage, SaeSubject(**about, model=facts, sae=sae.name), repetition)

    def _present(self, repetition: int, *scopes: Scope) -> Iterator[Stage[Any]]:
        wanted = ("own", "only") if repetition else ("shared", "own")
        return (stage for stage in self.stages if stage.scope in scopes and stage.repetitions in wanted)

    def _declared(
        self, stage: Stage[Any], config: RunConfig, model: ModelSettings | None = None, facts: ModelFacts | None = None
    ) -> dict[str, Any]:
        own = (stage.name,) if stage.settings is not None and stage.name != SAES else ()
        sections: dict[str, Section] = {path: config.section(path) for path in (*own, *stage.shared)}
        if facts is not None:
            sections = {path: section.of_model(facts) for path, section in sections.items()}
        if stage.runs_model and model is not None:
            # Where it is changes nothing: its identity, and what tables call it, are all that a result depends on.
            sections[MODEL] = model.model_copy(update={"name": model.label, "alias": None})
        return {"sections": sections, "placement": config.placement}

    def _add(self, stage: Stage[Any], subject: Subject, repetition: int) -> None:
        if not stage.applies(subject):
            return
        stage.check(subject)
        self._add_own_data(stage, subject)
        inputs = dict(self._inputs(stage, subject, repetition))
        key = StageKey(
            stage.name,
            stage.version,
            # Inputs of the key have no order; what a run lists first is what its report is about.
            _settings(stage, subject) | ({"steps": [*self.steps]} if stage.scope is Scope.RUN else {}),
            {role: self.steps[step].key.fingerprint for role, step in inputs.items()},
            stage.source(subject),
            _numerics(stage, subject),
            self.data[stage.name],
        )
        name = _name(stage.name, subject, repetition)
        self.steps[name] = Step(name, stage, key, inputs, subject, repetition)

    def _add_own_data(self, stage: Stage[Any], subject: Subject) -> None:
        """Plan what a stage reads of a data set of its own, once for all that read the same of it."""
        data = _own_data(subject)
        if data is not None:
            self.others.setdefault(_content(data), f"data-{len(self.others) + 1}")
            for wanted in stage.inputs:
                if wanted.own_data:
                    self._add_of(STAGES[wanted.stage], data, subject)

    def _add_of(self, maker: Stage[Any], data: Section, reader: Subject) -> None:
        for wanted in maker.inputs:
            self._add_of(STAGES[wanted.stage], data, reader)
        facts = reader.model if maker.scope is Scope.MODEL and isinstance(reader, ModelSubject) else None
        settings = next((settings for settings, of_model in self.models if of_model is facts), None)
        declared = self._declared(maker, self.config, settings, facts)
        sections = {path: section.for_data(data) for path, section in declared["sections"].items()}
        about: dict[str, Any] = {**declared, "sections": sections, "data": self.others[_content(data)]}
        subject = Subject(**about) if facts is None else ModelSubject(**about, model=facts)
        if _name(maker.name, subject, 0) not in self.steps:
            self._add(maker, subject, 0)

    def _inputs(self, stage: Stage[Any], subject: Subject, repetition: int) -> Iterator[tuple[str, str]]:
        if stage.scope is Scope.RUN:
            yield from ((name, name) for name in self.steps)
            return
        own = _own_data(subject)
        for wanted in stage.inputs:
            data = self.others[_content(own)] if wanted.own_data and own is not None else subject.data
            for step in self._makers(wanted, subject, data, repetition):
                several = step.maker.scope is Scope.SAE and stage.scope is not Scope.SAE
                yield f"{wanted.stage}:{step.subject.sae_name}" if several else wanted.stage, step.name

    def _makers(self, wanted: Input, subject: Subject, data: str, repetition: int) -> Iterator[Step]:
        """Yield the steps that make an input of some data: of the subject's model and autoencoder, where it has one."""
        maker = STAGES[wanted.stage]
        if repetition and not wanted.of_analysis:
            maker = next((stage for stage in self.stages if stage.stands_for == wanted.stage), maker)
        repeated = 0 if wanted.of_analysis or maker.repetitions == "shared" else repetition
        for step in self.steps.values():
            fits = step.maker is maker and step.repetition == repeated and step.subject.data == data
            if fits and _concerns(step, subject):
                yield step


def _concerns(step: Step, subject: Subject) -> bool:
    made = step.subject
    same_model = made.model_name in (None, subject.model_name)
    return same_model and (made.sae_name is None or subject.sae_name in (None, made.sae_name))


def _name(stage: str, subject: Subject, repetition: int) -> str:
    place = "/".join(part for part in (subject.data, stage, subject.model_name, subject.sae_name) if part)
    return f"repetition-{repetition}/{place}" if repetition else place


def _own_data(subject: Subject) -> Section | None:
    return next((section.own_data for section in subject.sections.values() if section.own_data is not None), None)


def _content(data: Section) -> str:
    return canonical_json(data.model_dump(mode="json"))


def _settings(stage: Stage[Any], subject: Subject) -> dict[str, Any]:
    """Return the sections of the key; what concerns token states is left out for a model that has none.

    Over other data than those analysed it stays: it tells how much is embedded of them.
    """
    without = stage.unkeyed(subject)
    tokens = not isinstance(subject, ModelSubject) or subject.model.has_tokens
    return {
        path: section.model_dump(mode="json", by_alias=True, exclude={*section.unkeyed, *section.tolerance})
        for path, section in subject.sections.items()
        if path not in without and (tokens or subject.data or not section.of_tokens)
    }


def _numerics(stage: Stage[Any], subject: Subject) -> Mapping[str, Any] | None:
    if stage.runs_model:
        versions = {name: metadata.version(name) for name in ("torch", "transformers")}
        return versions | {"device": subject.placement.device_kind}
    if not stage.trains:
        return None
    device = subject.placement.training_device.partition(":")[0]
    return {"torch": metadata.version("torch")} | ({} if device == "cpu" else {"device": device})


def _digest(stage: Stage[Any]) -> str | None:
    """Return one digest over the package's data files, and code from outside, that decide a stage's output."""
    files = sorted(stage.data_files())
    outside = [(kind, identity) for kind in stage.kinds if (identity := Registry[Any](kind).identity())]
    if not (files or outside):
        return None
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\n{file_digest(file)}\n".encode())
    for kind, identity in outside:
        digest.update(f"{kind}\n{identity}\n".encode())
    return digest.hexdigest()
