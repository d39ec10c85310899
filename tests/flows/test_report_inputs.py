"""What the report's task finds in the store, on artifacts that hold nothing but their contracts."""

from pathlib import Path
from typing import Any

import pytest

from pipeline_core.plan import Plan
from pipeline_core.planner import plan_sweep
from pipeline_core.report.inputs import RunFacts
from pipeline_core.store.artifacts import Store
from tasks.report import report_inputs
from tests.small import picture_folder, small_config


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return plan_sweep(small_config(picture_folder(tmp_path_factory.mktemp("data") / "pictures", 6)))


@pytest.fixture(scope="module")
def facts(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> RunFacts:
    store = Store(tmp_path_factory.mktemp("store"))

    def build(folder: Path) -> None:
        (folder / "content").write_text("", encoding="utf-8")

    def validate(folder: Path) -> list[dict[str, Any]]:
        return [{"table_name": folder.parent.name, "success": True}]

    for step in plan.steps.values():
        if step.stage != "report":
            store.materialize(step.key, build, validate)
    return report_inputs(plan, store).run


def test_contracts_are_those_of_the_analysis_itself(plan: Plan, facts: RunFacts) -> None:
    own = [step for step in plan.steps.values() if step.stage != "report" and step.repetition == 0]
    assert [result["artifact"] for result in facts.contracts] == [step.key.short for step in own]
    assert {step.repetition for step in plan.steps.values()} == {0, 1}


def test_stages_are_those_of_every_repetition(plan: Plan, facts: RunFacts) -> None:
    assert [stage.name for stage in facts.stages] == [n for n, s in plan.steps.items() if s.stage != "report"]
