"""Autoencoders that train on other data than those analysed: their steps follow from the stages' inputs."""

from pathlib import Path

import pytest

from pipeline_core.activations.settings import ActivationsSettings
from pipeline_core.config import RunConfig
from pipeline_core.dataset.settings import DatasetSettings
from pipeline_core.errors import ConfigError
from pipeline_core.planner.plan import Plan
from pipeline_core.planner.planning import plan_analysis, plan_sweep
from tests.small import picture_folder, small_config

MLLM, DUAL = "reference-mllm", "reference-contrastive"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("data")
    return picture_folder(root / "analysed", 6), picture_folder(root / "other", 7)


def config(folders: tuple[Path, Path], *more: str) -> RunConfig:
    analysed, other = folders
    elsewhere = f"trained_on: {{name: folder, path: {other}}}, features: 64, k: 4"
    saes = (
        f"{{name: a, {elsewhere}}}",
        f"{{name: b, {elsewhere}}}",
        "{name: c}",
        f"{{name: d, states: vectors, {elsewhere}}}",
    )
    return small_config(analysed, f"sae=[{', '.join(saes)}]", *more)


@pytest.fixture(scope="module")
def plan(folders: tuple[Path, Path]) -> Plan:
    return plan_sweep(config(folders))


def test_other_data_are_embedded_once_for_each_model_that_trains_on_them(plan: Plan) -> None:
    others = {name for name, step in plan.steps.items() if step.subject.data}
    assert others == {"data-1/dataset", f"data-1/activations/{MLLM}", f"data-1/activations/{DUAL}"}
    for name in ("a", "b"):
        step = plan.steps[f"sae/{MLLM}/{name}"]
        assert step.inputs == {"dataset": "data-1/dataset", "activations": f"data-1/activations/{MLLM}"}
    assert plan.steps[f"sae/{MLLM}/c"].inputs == {"dataset": "dataset", "activations": f"activations/{MLLM}"}
    again = plan.steps[f"repetition-1/sae/{MLLM}/a"]
    assert again.inputs == plan.steps[f"sae/{MLLM}/a"].inputs


def test_all_else_is_of_the_data_analysed(plan: Plan) -> None:
    for step in plan.steps.values():
        if step.stage not in ("sae", "report") and not step.subject.data:
            assert not any(source.startswith("data-") for source in step.inputs.values())
    assert [step.name for step in plan.of_stage("dataset")] == ["dataset"]
    assert {used.name: used.data for used in plan.run_artifacts()}["data-1/dataset"] == "data-1"


def test_of_other_data_what_training_needs_is_kept(plan: Plan, folders: tuple[Path, Path]) -> None:
    for model in (MLLM, DUAL):
        step = plan.steps[f"data-1/activations/{model}"]
        assert step.subject.settings(ActivationsSettings).store == "training"
        assert step.inputs == {"dataset": "data-1/dataset"}
        assert step.key.config["activations"]["store"] == "training"
    assert plan.steps["data-1/dataset"].subject.settings(DatasetSettings).label == "folder other"
    kept = plan.steps[f"activations/{MLLM}"]
    assert kept.subject.settings(ActivationsSettings).store == "all"
    assert "representation" not in kept.key.config


def test_other_data_decide_what_is_trained_on_them(plan: Plan, folders: tuple[Path, Path]) -> None:
    before = {name: step.key.fingerprint for name, step in plan.steps.items()}
    assert "trained_on" not in plan.steps[f"sae/{MLLM}/a"].key.config["sae"]
    names = folders[1] / "metadata.csv"
    head, *rows = names.read_text().splitlines()
    names.write_text("\n".join([head, *(f"{row} now" for row in rows)]))
    after = {name: step.key.fingerprint for name, step in plan_sweep(config(folders)).steps.items()}
    changed = {name for name in before if before[name] != after[name]}
    assert {f"sae/{MLLM}/a", f"codes/{MLLM}/b", f"sae/{DUAL}/d", "data-1/dataset"} <= changed
    assert not {f"sae/{MLLM}/c", f"codes/{MLLM}/c", "dataset", f"activations/{MLLM}", f"index/{MLLM}"} & changed


def test_the_analysed_representation_alone_is_in_the_key_where_it_alone_is_kept(folders: tuple[Path, Path]) -> None:
    few = [config(folders, "activations.store=analysed", f"representation.pooling={p}") for p in ("mean", "max")]
    one, other = (plan_analysis(each).steps for each in few)
    assert one[f"activations/{MLLM}"].key != other[f"activations/{MLLM}"].key
    assert one[f"activations/{DUAL}"].key == other[f"activations/{DUAL}"].key
    assert one[f"data-1/activations/{MLLM}"].key == other[f"data-1/activations/{MLLM}"].key


def test_what_needs_vectors_that_are_not_kept_is_refused_before_anything_runs(folders: tuple[Path, Path]) -> None:
    with pytest.raises(ConfigError, match=r"store is analysed, and lens sweep compares .*; set activations.store=all"):
        plan_sweep(config(folders, "activations.store=analysed"))
    with pytest.raises(ConfigError, match=r"store is training, which keeps nothing to analyse; set activations.store"):
        plan_analysis(config(folders, "activations.store=training"))
    dual = ("model.name=reference-contrastive", "compare_with=[]", "activations.store=analysed")
    assert plan_sweep(config(folders, *dual)).of_stage("grid")
