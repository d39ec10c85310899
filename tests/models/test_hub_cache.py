"""Models of the hub without the hub, from a cache laid out as its client does; and from a hub that gives or refuses."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from flows.inline import InlineRunner
from flows.running import run_plan
from pipeline_core.errors import ModelError
from pipeline_core.models.facts import describe_model, pinned
from pipeline_core.models.loading import load_embedder
from pipeline_core.models.samples import SampleInput
from pipeline_core.models.settings import ModelSettings
from pipeline_core.planner.planning import plan_analysis
from tests.models import tiny
from tests.small import picture_folder, small_config

FIRST, SECOND = "0123456789abcdef0123456789abcdef01234567", "fedcba9876543210fedcba9876543210fedcba98"
NAME = "somebody/clip"
BRIEF = (
    "sae=[{name: paper, states: vectors, features: 16, k: 2, epochs: 1, batch_size: 16}]",
    "scoring.bootstrap=10",
    "scoring.permutations=10",
    "repetitions=1",
)
"""What is not of the hub, as short as can be."""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that holds two commits of a model, other weights in each; its main branch is at the first."""
    model = tmp_path / "hub" / "models--somebody--clip"
    for commit in (FIRST, SECOND):
        blobs = tiny.save_clip(model / "blobs" / commit)
        if commit == SECOND:
            weights = load_file(blobs / "model.safetensors")
            weights["text_projection.weight"] *= 2
            save_file(weights, blobs / "model.safetensors", {"format": "pt"})
        snapshot = model / "snapshots" / commit
        snapshot.mkdir(parents=True)
        for blob in blobs.iterdir():
            (snapshot / blob.name).symlink_to(blob)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(FIRST)
    (model / "refs" / "v2").write_text(SECOND)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return model


def vector(settings: ModelSettings) -> Any:
    embedder = load_embedder(settings, describe_model(settings), "cpu", Path())
    sample = SampleInput("t", "none", None, "a red heart")
    return embedder.embed([sample], embedder.representations(None), ()).vectors[0, 0]


def refused(name: str = NAME, **options: Any) -> str:
    """Return the one line that tells why a model is not to be had."""
    settings = ModelSettings(name=name, **options)
    with pytest.raises(ModelError) as caught:
        load_embedder(settings, describe_model(settings), "cpu", Path())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_branch_a_tag_and_a_commit_are_known_by_the_commit(cache: Path) -> None:
    for revision, commit in ((None, FIRST), ("main", FIRST), ("v2", SECOND), (SECOND, SECOND)):
        facts = describe_model(ModelSettings(name=NAME, revision=revision))
        assert (facts.identity, facts.place, facts.revision) == (f"hub:{NAME}@{commit}", NAME, commit)
        assert (facts.name, facts.kind) == (NAME, "contrastive")


def test_weights_are_those_of_the_commit(cache: Path) -> None:
    first, second = (vector(ModelSettings(name=NAME, revision=revision)) for revision in (None, "v2"))
    np.testing.assert_allclose(second, 2 * first, rtol=1e-5)


def test_a_moved_branch_is_another_model_and_what_was_kept_is_not(cache: Path, tmp_path: Path) -> None:
    config = small_config(picture_folder(tmp_path / "pictures", 8), f"model.name={NAME}", "compare_with=[]")
    plan = plan_analysis(config)
    (cache / "refs" / "main").write_text(SECOND)
    moved, kept = plan_analysis(config), plan_analysis(plan.config)
    (step,) = (name for name in plan.steps if name.startswith("activations"))
    assert moved.steps[step].key != plan.steps[step].key == kept.steps[step].key
    assert plan.config.model.revision == FIRST


def test_one_model_is_compared_at_two_commits_and_precisions(cache: Path, tmp_path: Path) -> None:
    second = f"{{name: {NAME}, revision: v2, alias: newer}}"
    halved = f"{{name: {NAME}, dtype: bfloat16, alias: halved}}"
    pictures = picture_folder(tmp_path / "pictures", 8)
    plan = plan_analysis(small_config(pictures, f"model.name={NAME}", f"compare_with=[{second}, {halved}]"))
    keys = {plan.steps[f"activations/{name}"].key.fingerprint for name in (NAME, "newer", "halved")}
    assert len(keys) == 3


def test_an_adapter_and_its_base_may_both_be_of_the_hub(cache: Path) -> None:
    snapshot = cache.parent / "models--somebody--tuned" / "snapshots" / SECOND
    snapshot.mkdir(parents=True)
    told = {"peft_type": "LORA", "base_model_name_or_path": NAME, "revision": "v2", "lora_alpha": 1}
    (snapshot / "adapter_config.json").write_text(json.dumps(told))
    module = "base_model.model.text_model.encoder.layers.0.self_attn.v_proj"
    uneven = torch.linspace(-1, 1, 16)
    pair = {f"{module}.lora_A.weight": uneven[None], f"{module}.lora_B.weight": uneven[:, None].clone()}
    save_file(pair, snapshot / "adapter_model.safetensors", {"format": "pt"})
    settings = ModelSettings(name="somebody/tuned", revision=SECOND)
    facts = describe_model(settings)
    assert (facts.place, facts.revision, facts.adapter) == (NAME, SECOND, ("somebody/tuned", SECOND))
    assert facts.identity == f"hub:somebody/tuned@{SECOND} over hub:{NAME}@{SECOND}"
    assert describe_model(pinned(settings, facts)) == facts
    assert np.abs(vector(settings) - vector(ModelSettings(name=NAME, revision="v2"))).max() > 1e-3


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "processor_config.json", "model.safetensors"])
def test_a_missing_file_is_named(cache: Path, file: str) -> None:
    (cache / "snapshots" / FIRST / file).unlink()
    assert file.removeprefix("pre") in refused()


def test_what_is_not_in_the_cache_is_told_with_how_to_get_it(cache: Path) -> None:
    told = refused("somebody/else", revision="main")
    assert told.startswith("the hub's cache on this machine has not config.json of the model somebody/else")
    assert told.endswith("HF_HUB_OFFLINE, or bring it here: hf download somebody/else --revision main")
    assert NAME in refused(revision="v3")


def test_a_run_of_a_hub_model_gets_to_its_report_and_planning_it_again_loads_no_library(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    other = f"[{{name: {NAME}, revision: v2, dtype: bfloat16, alias: newer}}]"
    config = small_config(
        picture_folder(tmp_path / "pictures", 24), f"model.name={NAME}", f"compare_with={other}", *BRIEF
    )
    record = run_plan("analyze", plan_analysis(config), tmp_path / "store", InlineRunner())
    assert record.state == "completed" and record.config["model"]["revision"] == FIRST
    (page,) = (tmp_path / "store" / "report").glob("*/report.html")
    assert all(name in page.read_text(encoding="utf-8") for name in (NAME, "newer"))
    given = tmp_path / "config.json"
    given.write_text(json.dumps(config.model_dump(mode="json", by_alias=True)))
    code = f"""
import json, sys
from pathlib import Path
from pipeline_core.config import parse_config
from pipeline_core.planner.planning import plan_analysis
plan = plan_analysis(parse_config(json.loads(Path({str(given)!r}).read_text())))
assert not {{'torch', 'transformers', 'pandas', 'lancedb', 'prefect'}} & sys.modules.keys()
print(plan.config.model.revision)
"""
    environment = {"HF_HUB_CACHE": str(cache.parent), "HF_HUB_OFFLINE": "1"}
    assert _apart(code, **environment) == f"{FIRST}\n"


def _apart(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, check=True, capture_output=True, text=True
    )
    assert not done.stderr
    return done.stdout


def test_a_hub_that_is_not_there_is_asked_once_and_what_the_cache_has_is_had(cache: Path) -> None:
    code = """
from pathlib import Path
from pipeline_core.errors import ModelError
from pipeline_core.model_facts import Place
from pipeline_core.models.facts import describe_model
from pipeline_core.models.hub import fetch
from pipeline_core.models.loading import load_embedder
from pipeline_core.models.settings import ModelSettings
settings = ModelSettings(name="somebody/clip", revision="v2")
print(load_embedder(settings, describe_model(settings), "cpu", Path()).facts.identity)
for ask, what in ((describe_model, ModelSettings(name="somebody/else")), (fetch, Place("somebody/else", "c" * 40))):
    try:
        ask(what)
    except ModelError as error:
        print(error)
"""
    # Its client warns of every further attempt, on what is to stay empty.
    nobody = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0", "HF_HUB_VERBOSITY": "warning"}
    first, *others = _apart(code, HF_HUB_CACHE=str(cache.parent), **nobody).splitlines()
    assert first == f"hub:{NAME}@{SECOND}"
    assert len(others) == 2 and all("and the hub cannot be asked; check the network" in line for line in others)


class Hub(BaseHTTPRequestHandler):
    """What the client needs of a hub: a model of one commit, one for those who accept its terms, nothing else."""

    folder: Path

    def do_HEAD(self) -> None:
        owner, model, *rest = self.path.partition("?")[0].removeprefix("/api/models").strip("/").split("/")
        if (owner, model) == ("somebody", "gated"):
            self._answer(403, b"", {"X-Error-Code": "GatedRepo"})
        elif (owner, model) != ("somebody", "clip"):
            self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})
        elif rest[1] not in ("main", FIRST):
            self._answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        elif rest[0] == "tree":
            files = list(self.folder.iterdir())
            listed = [
                {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": file.name} for file in files
            ]
            self._answer(200, json.dumps(listed).encode(), {"Content-Type": "application/json"})
        elif not (self.folder / rest[2]).is_file():
            self._answer(404, b"", {"X-Error-Code": "EntryNotFound"})
        else:
            self._answer(200, (self.folder / rest[2]).read_bytes(), {"ETag": f'"{rest[2]}"', "X-Repo-Commit": FIRST})

    def do_GET(self) -> None:
        self.do_HEAD()

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    """The address of a hub."""
    Hub.folder = tiny.save_clip(tmp_path / "served")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_hub_that_answers_gives_a_model_or_the_reason_why_not(hub: str, tmp_path: Path) -> None:
    code = """
from pathlib import Path
from pipeline_core.errors import ModelError
from pipeline_core.models.facts import describe_model
from pipeline_core.models.loading import load_embedder
from pipeline_core.models.settings import ModelSettings
for name, revision in (("clip", None), ("clip", "v3"), ("gated", None), ("else", None)):
    settings = ModelSettings(name=f"somebody/{name}", revision=revision)
    try:
        facts = describe_model(settings)
        print(facts.identity, load_embedder(settings, facts, "cpu", Path()).representations(None)[0].rep_id)
    except ModelError as error:
        print(error)
"""
    (tmp_path / "served" / "consolidated.safetensors").write_bytes(b"a copy in another format")
    told = _apart(code, HF_ENDPOINT=hub, HF_HUB_CACHE=str(tmp_path / "hub"), HF_HUB_OFFLINE="0").splitlines()
    assert told == [
        f"hub:somebody/clip@{FIRST} somebody/clip/model",
        "the model somebody/clip has no revision 'v3'; set model.revision to a branch, tag or commit of it",
        "the model somebody/gated is only for those who accept its terms; accept them on "
        "https://huggingface.co/somebody/gated, then log in: hf auth login",
        "the hub has no model 'somebody/else', or keeps it private; check the name, or log in: hf auth login",
    ]
    snapshot = tmp_path / "hub" / "models--somebody--clip" / "snapshots" / FIRST
    assert (snapshot / "model.safetensors").is_file() and not (snapshot / "consolidated.safetensors").exists()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "adapter_model.bin"])
def test_pickled_weights_are_brought_where_there_are_no_others(name: str, hub: str, tmp_path: Path) -> None:
    (Hub.folder / "model.safetensors").rename(Hub.folder / name)
    code = f"""
from pipeline_core.model_facts import Place
from pipeline_core.models.hub import fetch
print(fetch(Place("somebody/clip", "{FIRST}")))
"""
    told = _apart(code, HF_ENDPOINT=hub, HF_HUB_CACHE=str(tmp_path / "hub"), HF_HUB_OFFLINE="0")
    assert (Path(told.strip()) / name).is_file()
