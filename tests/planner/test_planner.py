"""Plans: which steps a run has, what each depends on, and what a changed setting builds anew."""

from pathlib import Path

import pytest

from pipeline_core.config import AnalysisConfig
from pipeline_core.plan import Plan
from pipeline_core.planner import plan_analysis, plan_sweep
from tests.small import picture_folder, small_config

MLLM, DUAL = "reference-mllm", "reference-contrastive"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return picture_folder(tmp_path_factory.mktemp("data") / "pictures", 6)


@pytest.fixture(scope="module")
def config(pictures: Path) -> AnalysisConfig:
    return small_config(pictures, "sweep.repetitions=3")


@pytest.fixture(scope="module")
def plan(config: AnalysisConfig) -> Plan:
    return plan_sweep(config)


def keys(plan: Plan) -> dict[str, str]:
    return {name: step.key.fingerprint for name, step in plan.steps.items() if step.stage != "report"}


def changed(plan: Plan, pictures: Path, *settings: str) -> set[str]:
    """Return the steps, repetitions included, whose artifacts other settings would change; the report always does."""
    before, after = keys(plan), keys(plan_sweep(small_config(pictures, "sweep.repetitions=3", *settings)))
    assert set(before) == set(after)
    return {name for name in before if before[name] != after[name]}


def of_stages(plan: Plan, *stages: str) -> set[str]:
    return {name for name, step in plan.steps.items() if step.stage in stages}


def test_inputs_come_before_what_needs_them(plan: Plan) -> None:
    seen: set[str] = set()
    for name, step in plan.steps.items():
        assert set(step.inputs.values()) <= seen
        assert {plan.steps[source].key.fingerprint for source in step.inputs.values()} == set(step.key.inputs.values())
        seen.add(name)


def test_a_sweep_contains_the_analysis_as_it_is(plan: Plan, config: AnalysisConfig) -> None:
    analysis = keys(plan_analysis(config))
    assert analysis.items() <= keys(plan).items()
    assert {
        plan.steps[name].stage for name in keys(plan).keys() - analysis.keys() if plan.steps[name].repetition == 0
    } == {"sweep", "removal", "attention", "efficiency"}


def test_only_generative_models_have_attention(plan: Plan) -> None:
    assert of_stages(plan, "attention") == {f"attention/{MLLM}"}
    assert of_stages(plan, "efficiency") == {f"efficiency/{MLLM}", f"efficiency/{DUAL}"}


def test_repetitions_run_no_model_and_share_no_fit(plan: Plan) -> None:
    repeated = {name: step for name, step in plan.steps.items() if step.repetition == 2}
    assert {step.stage for step in repeated.values()} == {
        "dataset",
        "sae",
        "codes",
        "features",
        "retrieval",
        "sweep",
        "removal",
    }
    for name, step in repeated.items():
        twin = plan.steps[name.removeprefix("repetition-2/")]
        assert (step.stage, step.model, step.recipe) == (twin.stage, twin.model, twin.recipe)
        assert (
            len({step.key.fingerprint, twin.key.fingerprint, plan.steps[f"repetition-1/{twin.name}"].key.fingerprint})
            == 3
        )
        assert step.config.retrieval.seed == twin.config.retrieval.seed + 2
    assert repeated["repetition-2/dataset"].inputs == {"dataset": "dataset"}
    inputs = repeated[f"repetition-2/retrieval/{MLLM}"].inputs
    assert inputs["dataset"] == "repetition-2/dataset"
    assert inputs["activations"] == f"activations/{MLLM}"
    assert inputs["sae:paper"] == f"repetition-2/sae/{MLLM}/paper"


def test_the_report_needs_everything_and_comes_last(plan: Plan) -> None:
    *others, last = plan.steps
    assert set(plan.steps[last].inputs) == set(others)


def test_the_journal_is_told_the_repetition(plan: Plan) -> None:
    told = {used.name: used.repetition for used in plan.run_artifacts()}
    assert told[f"retrieval/{MLLM}"] == 0
    assert told[f"repetition-2/retrieval/{MLLM}"] == 2


@pytest.mark.parametrize(
    ("setting", "stages"),
    [
        ("sweep.betas=[0.5]", ("sweep",)),
        ("sweep.removal_ranks=[1]", ("removal",)),
        ("attention.samples=3", ("attention",)),
        ("efficiency.queries=9", ("efficiency",)),
        ("retrieval.removal_share=0.1", ("retrieval", "removal")),
        ("features.share=0.1", ("features", "retrieval", "removal")),
        ("dataset.max_quarantine_share=0.5", ()),
        (
            "extraction.threads=1",
            (
                "activations",
                "sae",
                "codes",
                "features",
                "retrieval",
                "sweep",
                "removal",
                "index",
                "attention",
                "efficiency",
            ),
        ),
        ("model.fine_tuned=true", ()),
        ("report.title=other", ()),
    ],
)
def test_a_setting_changes_what_depends_on_it(
    plan: Plan, pictures: Path, setting: str, stages: tuple[str, ...]
) -> None:
    assert changed(plan, pictures, setting) == of_stages(plan, *stages)


def test_the_representation_is_chosen_among_stored_vectors_of_generative_models(plan: Plan, pictures: Path) -> None:
    found = changed(plan, pictures, "representation.pooling=max")
    stages = ("codes", "features", "retrieval", "sweep", "removal", "index")
    assert found == {name for name in of_stages(plan, *stages) if MLLM in name}


def test_the_report_is_written_anew_when_it_is_about_another_model(config: AnalysisConfig, pictures: Path) -> None:
    reports = {
        plan_analysis(small_config(pictures, *settings)).steps["report"].key.fingerprint
        for settings in ((), ("model.fine_tuned=true",), ("report.title=other",))
    }
    assert len(reports) == 3
