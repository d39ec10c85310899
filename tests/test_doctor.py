"""What a run of one's own needs and this machine lacks: each is one line with what to do."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from pipeline_core.config import AnalysisConfig, load_config
from pipeline_core.dataset.sources import SOURCES
from pipeline_core.doctor import Check, _quantiser, examine_models, examine_needs, examine_unplanned
from pipeline_core.errors import DataError
from pipeline_core.models.settings import ModelSettings
from pipeline_core.placement import Placement
from pipeline_core.planner.estimates import Estimates, Memory, StepEstimate
from pipeline_core.planner.study import chosen
from tests.flows.test_cli import lens
from tests.models import tiny

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def found(model: Path | str, device: str = "cpu", path: Path | str = "/no/such/folder") -> dict[str, Check]:
    dataset = SOURCES["folder"].settings.model_validate({"name": "folder", "path": str(path)})
    settings = ModelSettings(name=str(model), alias="it")
    return {check.name: check for check in examine_models([settings], dataset, device)}


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model in the hub's cache of a machine that is offline."""
    model = tmp_path / "hub" / "models--somebody--clip"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tiny.save_clip(model / "snapshots" / COMMIT)


def test_a_model_of_the_hub_that_is_here_is_ready(cached: Path) -> None:
    checks = found("somebody/clip")
    assert checks["it"].found == "family clip, contrastive, float32 at 0123456789ab"
    assert checks["it: weights"] == Check("it: weights", True, "0.00 GiB in 1 files")
    assert checks["device"].ok


def test_weights_that_are_not_here_come_from_the_hub_unless_it_may_not_be_asked(
    cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cached / "model.safetensors").unlink()
    offline = found("somebody/clip")["it: weights"]
    assert not offline.ok
    assert offline.remedy.endswith(f"hf download somebody/clip --revision {COMMIT}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert found("somebody/clip")["it: weights"].found.endswith("they are downloaded at first use")


def test_what_is_missing_is_told_with_what_to_do(cached: Path) -> None:
    checks = found("somebody/other", device="cuda:7")
    assert "the hub cannot be asked" in checks["it"].found
    assert "hf download somebody/other" in checks["it"].remedy
    assert "/no/such/folder" in checks["data set"].found
    assert "placement.device is cuda:7, and this machine has cpu" in checks["device"].found
    assert [check.ok for check in checks.values()] == [False] * 3
    assert all(check.remedy and "\n" not in check.found for check in checks.values())


def test_the_package_of_quantised_weights_is_named(tmp_path: Path) -> None:
    folder = tiny.save_clip(tmp_path / "clip")
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "aqlm", "in_group_size": 8, "out_group_size": 1}
    (folder / "config.json").write_text(json.dumps(config))
    quantised = found(folder)["it: quantised"]
    assert not quantised.ok
    assert "`pip install aqlm" in quantised.found


QUANTISED: dict[str, tuple[dict[str, str], str]] = {
    "fbgemm_fp8": ({}, "a machine with such a device and fbgemm-gpu installed"),
    "spqr": ({}, "and spqr_quant[gpu] installed"),
    "higgs": ({}, "and flute-kernel and fast_hadamard_transform installed"),
    "fp_quant": ({}, "and fp_quant and qutlass installed"),
    "awq": ({}, "install the package that it names"),
    "hqq": ({}, "install the package that it names"),
    "torchao": ({"quant_type": "int4"}, "install the package that it names"),
    "quark": ({}, "install the package that it names"),
    "nvfp4": ({}, "name a copy that is not quantised so"),
}


@pytest.mark.parametrize("method", QUANTISED)
def test_what_quantised_weights_need_is_told_whether_package_or_device(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # what is told depends on it
    settings, told = QUANTISED[method]
    check = _quantiser("it", {"quant_method": method, **settings})
    assert not check.ok and told in check.remedy


def test_disk_and_memory_are_held_against_what_a_run_takes(tmp_path: Path) -> None:
    step, memory = StepEstimate("activations/it", float(1 << 50), 60.0, None), Memory(0.0, float(1 << 50), 0.0)
    needs = Estimates({}, (step,), {"it": memory}, None, "")
    disk, it = examine_needs(tmp_path, needs, Placement())
    assert (disk.ok, it.ok) == (False, False)
    assert disk.found.startswith("each 1,000 samples take about 1048576.00 GiB")
    # A model that is spread goes where there is room.
    assert [check.name for check in examine_needs(tmp_path, needs, Placement(device_map="auto"))] == [disk.name]
    small = Estimates({}, (), {"it": Memory(0.0, 1.0, 0.0)}, None, "")
    assert all(check.ok for check in examine_needs(tmp_path, small, Placement()))
    (_, absent) = examine_needs(tmp_path, small, Placement(device="cuda:7"))
    assert (absent.ok, absent.found) == (False, "about 0.0 GiB, of a device that is not here")


def _unplanned(store: Path, config: AnalysisConfig) -> Iterator[Check]:
    return examine_unplanned(store, chosen(config), config.models, config.placement, DataError("there are no data", ""))


def test_of_a_model_that_is_not_here_is_told_what_was_published(cached: Path, tmp_path: Path) -> None:
    """Its disk by the benchmark's counts, its memory by the numbers of its weights."""
    config = load_config(
        ("qwen2-vl-7b", "mbeir/mscoco-t2i"),
        settings=("dataset.path=nowhere", "compare_with=[]", "placement.device=cpu"),
    )
    disk, memory = _unplanned(tmp_path, config)
    # 29,809 embeddings of 3,584 numbers, 4 bytes each
    assert disk.ok and disk.found.startswith("by published counts its embeddings take about 0.40 GiB, ")
    # 8,291,375,616 weights of 2 bytes, and 700 MiB of libraries
    assert memory.name == f"{config.model.label}: memory"
    assert memory.found.startswith("weights alone about 16.1 GiB of ")


def test_what_cannot_be_told_of_a_model_that_is_not_here_is_said(cached: Path, tmp_path: Path) -> None:
    given = ("model.name=somebody/other", 'compare_with=[{"name": "somebody/clip", "alias": "clip"}]')
    disk, other, clip = _unplanned(tmp_path, load_config(settings=given))
    assert (disk.ok, disk.found) == (False, "cannot be told, as there are no data")
    assert (other.ok, other.found) == (False, "cannot be told without the model's config")
    assert clip.ok and clip.found.startswith("weights alone about 0.7 GiB of ")


def test_disk_and_memory_are_among_what_is_shown_of_an_absent_model(cached: Path, tmp_path: Path) -> None:
    chosen = ("--set", "model.name=somebody/other", "--set", "compare_with=[]")
    done = lens("doctor", *chosen, store=tmp_path / "store")
    assert done.exit_code == 1
    assert "cannot be told, as the hub's cache on this machine has not config.json of" in done.stdout
    assert "cannot be told without the model's config" in done.stdout
    assert done.stderr.count("somebody/other") == 2  # what to do, once
