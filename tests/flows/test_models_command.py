"""The command ``lens models``: the list fits a screen, is whole in a pipe, and waits for no model library."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.text import Text

from pipeline_core.models.families import FAMILIES
from tests.flows.test_cli import answer, lens, process, refused
from tests.models import tiny


def test_the_list_fits_a_screen_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    done = process("models")
    assert done.returncode == 0, done.stderr
    assert max(Text.from_ansi(line).cell_len for line in done.stdout.splitlines()) <= 80
    # Names are folded, never cut.
    assert "…" not in done.stdout


def test_a_pipe_gets_each_family_as_one_line() -> None:
    lines = process("models").stdout.splitlines()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    assert [row[0] for row in rows] == list(FAMILIES)
    told = {name: (kinds, serves, needs, about) for name, kinds, serves, needs, about in rows}
    assert told["siglip"][1] == "siglip siglip2"
    assert told["reference"][:2] == ("contrastive generative", "reference-mllm reference-contrastive")
    # 8,291,375,616 weights, 2 bytes each
    assert (told["qwen2_vl"][2], told["llava"][2]) == ("16.6 GB (Qwen2-VL-7B-Instruct)", "-")
    assert told["align"][2] == "eager attention"
    assert all(about.endswith(".") for *_, about in rows)


def test_programs_get_json() -> None:
    families = {family.pop("family"): family for family in json.loads(answer("models", "--json"))}
    assert families["clip"] == {
        "kinds": ["contrastive"],
        "model_types": ["clip"],
        "models": [],
        "needs": [],
        "weights": {"openai/clip-vit-base-patch32": 151_277_313},
        "about": "CLIP: texts are cut at 77 tokens, and the vector is that of the end marker.",
    }


def test_the_list_waits_for_no_model_library() -> None:
    asked = "import sys; from typer.testing import CliRunner; from flows.cli import app; "
    asked += "done = CliRunner().invoke(app, ['models']); assert done.exit_code == 0, done.output; "
    asked += "assert not {'torch', 'transformers', 'prefect'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", asked], check=True, timeout=60)


def test_a_model_is_checked_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny.save_clip(tmp_path / "clip")
    monkeypatch.setenv("COLUMNS", "80")
    done = process("models", "check", str(folder), "--set", "model.attention=eager")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["✓", check] for check in ("family", "weights", "vectors", "batches", "pictures", "precision")
    ]
    assert max(map(len, lines)) <= 80


def test_a_check_that_fails_ends_with_status_1(tmp_path: Path) -> None:
    folder = tiny.save_clip(tmp_path / "clip")
    (folder / "tokenizer.json").unlink()
    done = lens("models", "check", str(folder))
    assert done.exit_code == 1
    assert "✗ weights   the model" in done.stdout
    assert "there is no model" in refused("models", "check", "no-such-model")
