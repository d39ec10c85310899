"""Plans: which steps a run has, what each depends on, and what a changed setting builds anew."""

from pathlib import Path

import pytest

import pipeline_core
from pipeline_core.config import RunConfig
from pipeline_core.errors import ConfigError
from pipeline_core.models import facts
from pipeline_core.pipeline import STAGES
from pipeline_core.placement import Placement
from pipeline_core.planner import planning
from pipeline_core.planner.plan import Plan
from pipeline_core.planner.planning import plan_analysis, plan_sweep
from pipeline_core.stage import ModelSubject, SaeSubject, Scope
from pipeline_core.store.digests import file_digest
from tests.sae.formats.files import saelens_folder
from tests.small import picture_folder, small_config

CORE = Path(str(pipeline_core.__file__)).parent
MLLM, DUAL = "reference-mllm", "reference-contrastive"
SWEPT = {"grid", "doses", "attention", "efficiency"}
REPEATED = {"redraw", "sae", "codes", "features", "retrieval", "grid", "doses"}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return picture_folder(tmp_path_factory.mktemp("data") / "pictures", 6)


@pytest.fixture(scope="module")
def config(pictures: Path) -> RunConfig:
    return small_config(pictures, "repetitions=3")


@pytest.fixture(scope="module")
def plan(config: RunConfig) -> Plan:
    return plan_sweep(config)


def keys(plan: Plan) -> dict[str, str]:
    return {name: step.key.fingerprint for name, step in plan.steps.items() if step.stage != "report"}


def changed(plan: Plan, pictures: Path, *settings: str) -> set[str]:
    """Return the steps, repetitions included, whose artifacts other settings would change; the report always does."""
    before, after = keys(plan), keys(plan_sweep(small_config(pictures, "repetitions=3", *settings)))
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


def test_every_declared_input_of_a_step_is_there(plan: Plan) -> None:
    for step in plan.steps.values():
        found = {role.partition(":")[0] for role in step.inputs}
        if step.maker.scope is not Scope.RUN:
            assert found == {wanted.stage for wanted in step.maker.inputs}


def test_a_step_is_typed_by_its_scope(plan: Plan) -> None:
    for step in plan.steps.values():
        assert isinstance(step.subject, SaeSubject) == (step.maker.scope is Scope.SAE)
        assert isinstance(step.subject, ModelSubject) == (step.maker.scope in (Scope.MODEL, Scope.SAE))


def test_a_sweep_contains_the_analysis_as_it_is(plan: Plan, config: RunConfig) -> None:
    analysis = keys(plan_analysis(config))
    assert analysis.items() <= keys(plan).items()
    beyond = keys(plan).keys() - analysis.keys()
    assert {plan.steps[name].stage for name in beyond if plan.steps[name].repetition == 0} == SWEPT


def test_a_stage_that_does_not_apply_to_a_model_has_no_step(plan: Plan) -> None:
    assert of_stages(plan, "attention") == {f"attention/{MLLM}"}
    assert of_stages(plan, "efficiency") == {f"efficiency/{MLLM}", f"efficiency/{DUAL}"}


def test_repetitions_run_no_model_and_share_no_fit(plan: Plan) -> None:
    repeated = {name: step for name, step in plan.steps.items() if step.repetition == 2}
    assert {step.stage for step in repeated.values()} == REPEATED
    for name, step in repeated.items():
        twin = plan.steps[name.removeprefix("repetition-2/").replace("redraw", "dataset")]
        other = plan.steps[name.replace("repetition-2/", "repetition-1/")]
        assert len({step.key.fingerprint, twin.key.fingerprint, other.key.fingerprint}) == 3
        for path, section in step.subject.sections.items():
            if hasattr(section, "seed"):
                assert section.seed == other.subject.sections[path].seed + 1
    assert repeated["repetition-2/redraw"].inputs == {"dataset": "dataset"}
    inputs = repeated[f"repetition-2/retrieval/{MLLM}"].inputs
    assert inputs["dataset"] == "repetition-2/redraw"
    assert inputs["activations"] == f"activations/{MLLM}"
    assert inputs["sae:paper"] == f"repetition-2/sae/{MLLM}/paper"
    assert repeated[f"repetition-2/codes/{MLLM}/paper"].inputs["dataset"] == "dataset"


def test_autoencoders_are_those_for_what_a_model_gives(plan: Plan) -> None:
    assert of_stages(plan, "sae") >= {f"sae/{MLLM}/paper", f"sae/{MLLM}/centred", f"sae/{DUAL}/paper"}
    assert f"sae/{DUAL}/centred" not in plan.steps


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
        ("grid.betas=[0.5]", ("grid",)),
        ("doses.ranks=[1]", ("doses",)),
        ("attention.samples=3", ("attention",)),
        ("efficiency.queries=9", ("efficiency",)),
        ("adaptations.removal.share=0.1", ("retrieval", "grid", "doses")),
        ("adaptations.realign.beta=0.2", ("retrieval", "grid", "doses", "index", "efficiency")),
        ("scoring.bootstrap=7", ("retrieval", "grid", "doses", "index")),
        ("features.share=0.1", ("features", "retrieval", "doses")),
        ("report.fine_tuned=[reference-contrastive]", ()),
        ("report.title=other", ()),
    ],
)
def test_a_setting_changes_what_depends_on_it(
    plan: Plan, pictures: Path, setting: str, stages: tuple[str, ...]
) -> None:
    assert changed(plan, pictures, setting) == of_stages(plan, *stages)


PLACES: dict[str, object] = {
    "runner": "ray",
    "device": "cuda:1",
    "device_map": "auto",
    "threads": 1,
    "memory": 1.0,
    "workers": 2,
    "ray_address": "auto",
    "num_cpus": 1,
    "num_gpus": 1,
    "batch_size": 3,
    "batch_tokens": 100,
    "input_processes": 2,
    "shard_size": 9,
    "checkpoint_steps": 1,
}
"""Another value of every field of the placement; of the device, its kind is in the keys."""


def test_placement_builds_nothing_anew(plan: Plan, pictures: Path) -> None:
    assert set(PLACES) == set(Placement.model_fields)
    for field in PLACES.keys() - {"device"}:
        assert changed(plan, pictures, f"placement.{field}={PLACES[field]}") == set(), field


def test_the_kind_of_device_is_in_the_key_and_its_number_is_not(pictures: Path) -> None:
    cpu, first, second = (
        keys(plan_analysis(small_config(pictures, f"placement.device={device}")))
        for device in ("cpu", "cuda:0", "cuda:1")
    )
    assert first == second
    assert {name for name in cpu if cpu[name] != first[name]} == {name for name in cpu if name != "dataset"}


def test_an_autoencoder_trained_on_a_gpu_is_another_and_one_of_the_cpu_names_no_device(pictures: Path) -> None:
    """Other devices are not trained on: what the CPU made under them is what it makes without them."""
    for device, named in (("cpu", None), ("mps", None), ("cuda:1", "cuda")):
        plan = plan_analysis(small_config(pictures, f"placement.device={device}"))
        for step in plan.of_stage("sae"):
            assert step.key.numerics is not None and step.key.numerics.get("device") == named


def test_the_share_of_bad_rows_that_is_put_up_with_is_part_of_the_data_set(plan: Plan, pictures: Path) -> None:
    assert "dataset" in changed(plan, pictures, "dataset.max_quarantine_share=0.5")


def test_what_is_put_up_with_is_in_no_key_but_in_the_rules_of_its_step(plan: Plan, pictures: Path) -> None:
    setting = "activations.max_refused_share=0.5"
    assert changed(plan, pictures, setting) == set()
    other = plan_sweep(small_config(pictures, "repetitions=3", setting))
    judged = {name for name, step in other.steps.items() if step.rules != plan.steps[name].rules}
    assert judged == of_stages(plan, "activations")


def test_the_representation_is_chosen_among_stored_vectors_of_models_with_tokens(plan: Plan, pictures: Path) -> None:
    found = changed(plan, pictures, "representation.pooling=max")
    stages = ("codes", "features", "retrieval", "grid", "doses", "index")
    assert found == {name for name in of_stages(plan, *stages) if MLLM in name}


def test_how_prompts_end_concerns_models_with_prompts(plan: Plan, pictures: Path) -> None:
    assert changed(plan, pictures, f"compare_with=[{{name: {DUAL}, rendering: generation}}]") == set()
    assert f"activations/{MLLM}" in changed(plan, pictures, "model.rendering=generation")


def test_the_report_is_written_anew_when_it_is_about_another_model(config: RunConfig, pictures: Path) -> None:
    reports = {
        plan_analysis(small_config(pictures, *settings)).steps["report"].key.fingerprint
        for settings in ((), (f"report.fine_tuned=[{DUAL}]",), ("report.title=other",))
    }
    assert len(reports) == 3


@pytest.mark.parametrize(
    "edited",
    [
        "glossary.yaml",
        "report/claims.yaml",
        "report/sql/recall.sql",
        "report/figures/energy.sql",
        "report/templates/style.css",
        "warehouse/paper_values.csv",
        "warehouse/views.sql",
    ],
)
def test_an_edited_rule_value_question_or_style_builds_the_report_anew_and_nothing_else(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch, edited: str
) -> None:
    before = {name: step.key.fingerprint for name, step in plan_analysis(config).steps.items()}

    def as_edited(file: Path) -> str:
        return "edited" if file == CORE / edited else file_digest(file)

    monkeypatch.setattr(planning, "file_digest", as_edited)
    after = {name: step.key.fingerprint for name, step in plan_analysis(config).steps.items()}
    assert {name for name in before if before[name] != after[name]} == {"report"}


def test_every_data_file_of_the_package_decides_a_stage_or_is_read_by_commands_alone() -> None:
    """What pages, exports, presets and estimates read makes no artifact; weights and instructions are in identities."""
    commands = {"app", "exports", "planner", "presets"}
    others = {"counts.csv", "compare_features.sql", "compare_scores.sql", "top_features.sql"}
    others |= {"heads.safetensors", "projector.safetensors", "query_instructions.tsv"}
    deciding = {file for stage in STAGES.values() for file in stage.data_files()}
    left = {
        file.relative_to(CORE).as_posix()
        for file in CORE.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and file.suffix not in (".py", ".typed")
        if file not in deciding
        if file.relative_to(CORE).parts[0] not in commands and file.name not in others
    }
    assert left == set()
    assert all(file.is_file() for file in deciding)


def test_a_model_is_described_once_a_plan(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counted(settings: object) -> object:
        asked.append(settings.name)  # type: ignore[attr-defined]
        return facts.describe_model(settings)  # type: ignore[arg-type]

    monkeypatch.setattr(planning, "describe_model", counted)
    plan_sweep(config)
    assert asked == [MLLM, DUAL]


def test_the_order_of_autoencoders_is_that_of_the_report(config: RunConfig) -> None:
    turned = config.model_copy(update={"sae": config.sae[::-1]})
    one, other = plan_analysis(config), plan_analysis(turned)
    assert {n: s.key for n, s in one.steps.items() if n != "report"} == {
        n: s.key for n, s in other.steps.items() if n != "report"
    }
    assert one.steps["report"].key != other.steps["report"].key


def test_members_from_outside_change_what_they_decide(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = plan_sweep(config)
    monkeypatch.syspath_prepend(str(tmp_path))
    keys = []
    for number, kind in enumerate(("adaptation", "figure")):
        info = tmp_path / f"outside{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: outside{number}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[retrieval_lens.{kind}]\nmine = outside_{kind}:MEMBER\n")
        for text in ("MEMBER = 1", "MEMBER = 2"):
            (tmp_path / f"outside_{kind}.py").write_text(text)
            planned = plan_sweep(config)
            changed = {s.stage for n, s in planned.steps.items() if s.key != plain.steps[n].key}
            keys.append(planned.steps["report"].key.fingerprint)
            assert changed == {"adaptation": {"retrieval", "grid", "doses", "report"}, "figure": changed}[kind]
    assert len({*keys, plain.steps["report"].key.fingerprint}) == 5


def test_autoencoders_that_are_for_no_model_are_refused(pictures: Path) -> None:
    config = small_config(pictures, "sae=[{from: nowhere}]", "model.name=reference-contrastive", "compare_with=[]")
    with pytest.raises(ConfigError, match="no autoencoder of the list sae is for reference-contrastive; set states: v"):
        plan_analysis(config)


def test_an_autoencoder_that_is_brought_is_the_same_wherever_it_lies(pictures: Path, tmp_path: Path) -> None:
    keys = set()
    for folder in ("here", "there"):
        saelens_folder(tmp_path / folder)
        config = small_config(pictures, f"sae=[{{from: {tmp_path / folder}, name: mine}}]", "compare_with=[]")
        keys.add(plan_analysis(config).of_stage("sae")[0].key.fingerprint)
    assert len(keys) == 1
