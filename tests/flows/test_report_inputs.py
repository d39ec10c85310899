"""What the report is told of the artifacts of a run, on artifacts that hold nothing but their contracts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.planner.execution import used_by
from pipeline_core.planner.plan import Plan
from pipeline_core.planner.planning import plan_sweep
from pipeline_core.report.inputs import ReportInputs, inputs_of, rendering_of
from pipeline_core.stage import RunSubject, Work
from pipeline_core.store.artifacts import Store
from tests.small import picture_folder, small_config


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return plan_sweep(small_config(picture_folder(tmp_path_factory.mktemp("data") / "pictures", 6)))


@pytest.fixture(scope="module")
def inputs(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> ReportInputs:
    store = Store(tmp_path_factory.mktemp("store"))

    def build(folder: Path) -> None:
        (folder / "content").write_text("", encoding="utf-8")

    def validate(folder: Path) -> list[dict[str, Any]]:
        return [{"table_name": folder.parent.name, "success": True}]

    for step in plan.steps.values():
        if step.stage != "report":
            store.materialize(step.key, build, validate)
    report = plan.steps["report"]
    work = Work(report.subject, used_by(plan, store, report), store.root, lambda done, total: None, store.root)
    return inputs_of(work)


def test_contracts_are_those_of_the_analysis_itself(plan: Plan, inputs: ReportInputs) -> None:
    own = [step for step in plan.steps.values() if step.stage != "report" and step.repetition == 0]
    assert [result["artifact"] for result in inputs.run.contracts] == [step.key.short for step in own]
    assert {step.repetition for step in plan.steps.values()} == {0, 1}


def test_stages_are_those_of_every_repetition(plan: Plan, inputs: ReportInputs) -> None:
    assert [stage.name for stage in inputs.run.stages] == [n for n, s in plan.steps.items() if s.stage != "report"]


def test_every_artifact_is_told_with_what_it_is_about(plan: Plan, inputs: ReportInputs) -> None:
    told = [(a.stage, a.repetition, a.model, a.sae_id) for a in inputs.artifacts]
    for step in plan.steps.values():
        if step.stage != "report":
            model, sae = step.subject.model_name, step.subject.sae_name
            assert (step.stage, step.repetition, model, f"{model}/{sae}" if sae else None) in told
    assert [model.name for model in inputs.models] == ["reference-mllm", "reference-contrastive"]


def test_a_model_is_told_with_how_its_prompts_end(plan: Plan, inputs: ReportInputs) -> None:
    assert [model.rendering for model in inputs.models] == ["released", "none"]
    subject = plan.steps["report"].subject
    assert isinstance(subject, RunSubject)
    studied, _ = subject.models
    others = [replace(studied, family="qwen2_vl", rendering="generation"), replace(studied, family="gme")]
    assert [rendering_of(model) for model in others] == ["generation", "own"]
