"""Steps that are built in parts: workers share them without a lock, and whoever seals them builds none twice."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.inline import InlineRunner
from flows.running import run_plan
from pipeline_core.config import AnalysisConfig
from pipeline_core.contracts import suites
from pipeline_core.errors import ConfigError, ContractError
from pipeline_core.models import loading
from pipeline_core.models.embedder import Embedder
from pipeline_core.placement import Placement
from pipeline_core.planner.execution import build_part, carry_out, check_machine, claimed_parts, mend_inputs
from pipeline_core.planner.plan import Plan
from pipeline_core.planner.planning import plan_analysis
from pipeline_core.store.artifacts import Store
from pipeline_core.store.diff import diff_runs
from pipeline_core.store.digests import file_digest
from pipeline_core.store.journal import read_runs
from pipeline_core.store.space import NoRoomError
from tests.small import picture_folder, small_config

STEP = "activations/reference-contrastive"


def silent(done: int, total: int) -> None:
    """Take progress and say nothing."""


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    pictures = picture_folder(tmp_path_factory.mktemp("data") / "pictures", 24)
    return plan_analysis(
        small_config(pictures, "model.name=reference-contrastive", "compare_with=[]", "placement.shard_size=8")
    )


def store_with_data(plan: Plan, root: Path) -> Store:
    store = Store(root)
    carry_out(plan, "dataset", store, silent)
    return store


def test_a_step_knows_whether_it_is_built_in_parts(plan: Plan) -> None:
    built = {"activations", "codes", "retrieval"}
    assert {step.stage for step in plan.steps.values() if step.parts} == built
    assert {step.stage for step in plan.steps.values() if not step.parts}.isdisjoint(built)


def test_what_a_step_to_be_built_reads_is_read_against_its_digests(plan: Plan, tmp_path: Path, caplog) -> None:
    store, key = store_with_data(plan, tmp_path), plan.steps["dataset"].key
    samples = store.folder(key) / "samples.parquet"
    mend_inputs(plan, store)
    assert store.status(key) == "present"
    contents = samples.read_bytes()
    change_a_byte(samples)
    mend_inputs(replace(plan, steps={"dataset": plan.steps["dataset"]}), store)
    assert store.status(key) == "present", "nobody reads it"
    mend_inputs(plan, store)
    assert store.status(key) == "missing"
    assert "was damaged: set aside" in caplog.text
    carry_out(plan, "dataset", store, silent)
    assert samples.read_bytes() == contents


def change_a_byte(file: Path) -> None:
    contents = file.read_bytes()
    file.write_bytes(contents[:-1] + bytes([contents[-1] ^ 1]))


def test_a_run_that_finds_everything_reads_manifests_alone(plan: Plan, tmp_path: Path) -> None:
    store, alone = store_with_data(plan, tmp_path), replace(plan, steps={"dataset": plan.steps["dataset"]})
    assert alone.is_settled(store)
    change_a_byte(store.folder(plan.steps["dataset"].key) / "samples.parquet")
    assert alone.is_settled(store), "its files are read by who builds upon them, and by lens verify"


def test_a_full_disk_names_the_step_and_what_it_takes(plan: Plan, tmp_path: Path, monkeypatch) -> None:
    store = store_with_data(plan, tmp_path)

    def fill(*_: object) -> None:
        Path("/dev/full").write_text("x")

    monkeypatch.setattr(type(plan.steps[STEP].maker), "build", fill)
    with pytest.raises(NoRoomError, match=rf"room for {STEP}, which takes more than .*B; .* are free; make room"):
        carry_out(plan, STEP, store, silent)


@pytest.mark.slow
def test_parts_that_workers_share_make_the_artifact_of_one_worker(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, shared = (store_with_data(plan, tmp_path / name) for name in ("alone", "shared"))
    whole, _ = carry_out(plan, STEP, alone, silent)
    real, loaded = loading.load_embedder, list[str]()

    def load(*arguments: Any) -> Embedder:
        loaded.append(arguments[1].name)
        return real(*arguments)

    monkeypatch.setattr(loading, "load_embedder", load)
    with claimed_parts(plan, STEP, shared) as sizes, ThreadPoolExecutor(2) as workers:
        assert len(sizes) > 2
        with claimed_parts(plan, STEP, shared) as claimed:
            assert not claimed, "one run at a time has the parts of a step built"
        spent = sum(workers.map(lambda number: build_part(plan, STEP, shared, number), reversed(sizes)))
    assert 1 <= len(loaded) <= 2, "a worker keeps the model from part to part"
    # All parts are there: sealing them loads no model.
    monkeypatch.delattr(loading, "load_embedder")
    sealed, artifact = carry_out(plan, STEP, shared, silent, spent)
    assert (sealed.fingerprint, sealed.cached) == (whole.fingerprint, False)
    assert artifact.manifest.seconds > spent > 0
    with claimed_parts(plan, STEP, shared) as sizes:
        assert not sizes
    parts = [file.path for file in artifact.manifest.files if file.path.startswith("embeddings/")]
    assert len(parts) > 2
    for file in artifact.manifest.files:
        assert file_digest(alone.folder(plan.steps[STEP].key) / file.path) == file.sha256
    # What is there builds upon nothing, so that its inputs are not read.
    change_a_byte(shared.folder(plan.steps["dataset"].key) / "samples.parquet")
    assert carry_out(plan, STEP, shared, silent)[0].cached


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["codes", "retrieval"])
def test_parts_of_any_order_make_the_same_files_and_those_that_are_there_are_kept(
    inline_store: Path, tmp_path: Path, stage: str
) -> None:
    plan = plan_analysis(AnalysisConfig.model_validate(read_runs(inline_store)[0].config))
    (step,), store = plan.of_stage(stage), Store(shutil.copytree(inline_store, tmp_path / "store"))
    alone = store.get(step.key)
    shutil.rmtree(store.folder(step.key))
    with claimed_parts(plan, step.name, store) as sizes:
        *others, last = sizes
        build_part(plan, step.name, store, last)
    built = {file: file.stat().st_mtime_ns for file in store.unfinished(step.key).rglob("*.parquet")}
    with claimed_parts(plan, step.name, store) as sizes, ThreadPoolExecutor(2) as workers:
        assert list(sizes) == others
        list(workers.map(lambda number: build_part(plan, step.name, store, number), reversed(others)))
    assert built == {file: file.stat().st_mtime_ns for file in built}
    _, artifact = carry_out(plan, step.name, store, silent)
    weights = ".safetensors"  # whose metadata have no order
    for mine, theirs in zip(artifact.manifest.files, alone.manifest.files, strict=True):
        assert mine.path == theirs.path
        assert mine.sha256 == theirs.sha256 or mine.path.endswith(weights), mine.path


@pytest.mark.slow
def test_a_changed_contract_judges_what_is_there_anew_and_builds_nothing(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_with_data(plan, tmp_path / "store")
    folder = store.folder(plan.steps["dataset"].key)
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*.parquet")}
    contracts = shutil.copytree(suites.contracts_folder(), tmp_path / "contracts")
    monkeypatch.setattr(suites, "contracts_folder", lambda: contracts)
    rule = "SELECT sample_id FROM samples WHERE modality = '{}'"
    for modality, holds in (("sound", True), ("image", False)):
        written = {"name": "mute", "column": "modality", "sql": rule.format(modality), "reason": "films come later"}
        (contracts / "samples.yaml").write_text(yaml.safe_dump({"violations": [written]}))
        suites.load_contract.cache_clear()
        changed = plan_analysis(plan.config)
        try:
            if holds:
                outcome, artifact = carry_out(changed, "dataset", store, silent)
                assert outcome.cached
                assert "mute" in {result["expectation"] for result in artifact.manifest.contracts}
                assert store.get(plan.steps["dataset"].key) == artifact
            else:
                with pytest.raises(ContractError, match="table samples, column modality breaks mute: "):
                    carry_out(changed, "dataset", store, silent)
        finally:
            suites.load_contract.cache_clear()
        # The report tells the outcomes of contracts, so that it is another one.
        assert {n for n, s in changed.steps.items() if s.key != plan.steps[n].key} <= {"report"}
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*.parquet")} == before


def test_a_device_that_is_not_here_is_refused_before_anything_is_built_unless_nothing_runs_on_it(
    plan: Plan, tmp_path: Path
) -> None:
    elsewhere = plan.config.model_copy(update={"placement": Placement(device="cuda:99")})
    wanted, store = plan_analysis(elsewhere), Store(tmp_path / "store")
    with pytest.raises(ConfigError, match=r"placement\.device is cuda:99"):
        run_plan("analyze", wanted, store.root, InlineRunner())
    assert not list(store.root.iterdir())
    for step in wanted.steps.values():
        if step.maker.runs_model:
            store.materialize(step.key, lambda folder: None)
    with pytest.raises(ConfigError, match=r"placement\.device is cuda:99"):
        check_machine(wanted, store)  # autoencoders train there, too
    for step in wanted.of_stage("sae"):
        store.materialize(step.key, lambda folder: None)
    with pytest.raises(ConfigError, match=r"placement\.device is cuda:99"):
        check_machine(wanted, store)  # and scores are made there
    for step in wanted.of_stage("retrieval"):
        store.materialize(step.key, lambda folder: None)
    check_machine(wanted, store)


@pytest.mark.long
def test_one_altered_byte_of_any_file_of_any_artifact_is_found_by_who_builds_upon_it(
    inline_store: Path, tmp_path: Path
) -> None:
    """Whatever is altered, of embeddings, states, codes, samples or features: a run sets it aside, and verify tells."""
    plan = plan_analysis(AnalysisConfig.model_validate(read_runs(inline_store)[0].config))
    store, n_flips = Store(shutil.copytree(inline_store, tmp_path / "store")), 0
    for step in plan.steps.values():
        folder, name = store.folder(step.key), f"{step.stage}/{step.key.short}"
        for entry in store.get(step.key).manifest.files:
            contents = (folder / entry.path).read_bytes()
            for place in {0, len(contents) // 2, len(contents) - 1} if contents else ():
                flipped = contents[:place] + bytes([contents[place] ^ 1]) + contents[place + 1 :]
                (folder / entry.path).write_bytes(flipped)
                assert store.status(step.key) == "present", "by its size alone"
                assert [(p.artifact, p.file) for p in store.verify()] == [(name, entry.path)]
                assert store.mend(step.key) == "missing", entry.path
                (aside,) = (store.root / ".damaged").iterdir()
                aside.replace(folder)
                (folder / entry.path).write_bytes(contents)
                n_flips += 1
        assert store.mend(step.key) == "present"
    assert n_flips > 70


@pytest.mark.long
def test_a_rerun_after_a_flipped_byte_in_every_artifact_builds_each_anew_and_nothing_differs(
    inline_store: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(inline_store, tmp_path / "store"))
    (first,) = read_runs(root)
    plan, store = plan_analysis(AnalysisConfig.model_validate(first.config)), Store(root)
    (report,) = plan.of_stage("report")
    for step in plan.steps.values():
        largest = max(store.get(step.key).manifest.files, key=lambda file: file.size)
        file = store.folder(step.key) / largest.path
        contents = bytearray(file.read_bytes())
        contents[len(contents) // 2] ^= 1
        file.write_bytes(contents)
    shutil.rmtree(store.folder(report.key))  # a run that finds everything builds upon nothing
    again = run_plan("analyze", plan, root, InlineRunner())
    assert {artifact.cached for artifact in again.artifacts} == {False}
    assert len(list((root / ".damaged").iterdir())) == len(plan.steps) - 1
    assert store.verify() == []
    assert diff_runs(root, first.run_id, again.run_id) == []
