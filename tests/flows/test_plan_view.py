"""The plan as a person looks at it, and its estimates beside what a process of its own really took."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.text import Text

from flows import prefect_runner
from flows.plan_view import show_plan
from flows.running import plan_flow
from flows.units import duration, size
from pipeline_core.planner.rates import Rates, keep_rates
from tests.flows.test_cli import process, settings
from tests.small import picture_folder, small_config

EXTRACTION = """
import json, sys
from pathlib import Path
from pipeline_core.planner.estimates import estimate
from pipeline_core.planner.execution import carry_out
from pipeline_core.planner.planning import plan_analysis
from pipeline_core.store.artifacts import Store
from tests.small import small_config

plan = plan_analysis(small_config(Path(sys.argv[1]), "model.name=reference-mllm", "compare_with=[]"))
store = Store(Path(sys.argv[2]))
carry_out(plan, "dataset", store, lambda done, total: None)
found = estimate(plan, store, lambda threads: 1e11)
made = carry_out(plan, "activations/reference-mllm", store, lambda done, total: None)[1].manifest
(step,) = (step for step in found.steps if step.step == "activations/reference-mllm")
print(json.dumps({
    "requests": found.counts[True].requests,
    "embeddings": made.rows["embeddings"] // made.rows["representations"],
    "bytes": step.n_bytes,
    "taken": sum(file.size for file in made.files),
    "memory": found.memory["reference-mllm"].total,
    "peak": made.peak_memory_bytes,
}))
"""


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """What extraction with the generative model was estimated to take, and took, in a process of its own."""
    place = tmp_path_factory.mktemp("extracted")
    arguments = [str(picture_folder(place / "pictures", 24)), str(place / "store")]
    done = subprocess.run([sys.executable, "-c", EXTRACTION, *arguments], check=True, capture_output=True, timeout=400)
    return SimpleNamespace(**json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.long
def test_extraction_takes_the_rows_bytes_and_memory_that_were_estimated(extracted: SimpleNamespace) -> None:
    assert extracted.requests == extracted.embeddings
    assert extracted.bytes == pytest.approx(extracted.taken, rel=0.1)
    assert extracted.peak / 2 < extracted.memory < 2 * extracted.peak


def test_a_plan_fits_a_screen_of_80_columns(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    done = process("run", *settings(pictures), "--plan", "--store", str(tmp_path))
    assert done.returncode == 0, done.stderr
    tables = [Text.from_ansi(line) for line in done.stdout.splitlines() if line.startswith("│")]
    assert max(line.cell_len for line in tables) <= 80
    assert "for 1,000 samples" in done.stdout
    assert "Times by reference: " in done.stdout
    assert "Memory of reference-mllm: " in done.stdout
    assert "Models: reference-mllm (family reference), reference-contrastive (family reference)." in done.stdout


def test_a_plan_says_which_rates_a_time_is_from(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = plan_flow("compare", small_config(pictures))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    keep_rates(Rates("2030-01-01", 1e11, 2e10, 3e10, 1e8, 5e8), plan.config.placement)
    show_plan(plan, tmp_path)
    told = capsys.readouterr().out
    assert "Times by bench: rates of this machine, measured on 2030-01-01" in told
    assert "scaled to 100 GFLOP/s measured on 2030-01-01" in told
    lines = [line for line in told.splitlines() if "bench" in line or "reference" in line]
    for step, rate in (("sae/reference-mllm/paper", "bench"), ("features/reference-mllm/paper", "reference")):
        assert any(line.split()[1] == step and line.split()[-2] == rate for line in lines if line.startswith("│"))


def test_plans_wait_for_no_model_library(pictures: Path, tmp_path: Path) -> None:
    asked = "import sys; from typer.testing import CliRunner; from flows.cli import app; "
    asked += "done = CliRunner().invoke(app, sys.argv[1:]); assert done.exit_code == 0, done.output; "
    asked += "assert not {'torch', 'transformers', 'prefect', 'pandas'} & set(sys.modules)"
    arguments = ["run", *settings(pictures), "--plan", "--store", str(tmp_path)]
    subprocess.run([sys.executable, "-c", asked, *arguments], check=True, timeout=60)


def test_a_flow_takes_the_plan_that_was_made_before_it_was_called(pictures: Path) -> None:
    plan = plan_flow("compare", small_config(pictures))
    prefect_runner.planned["compare"] = plan
    assert prefect_runner.plan_of("compare", plan.config.model_copy()) is plan
    assert prefect_runner.plan_of("compare", plan.config) is not plan, "it was for one run"
    prefect_runner.planned["compare"] = plan
    other = plan.config.model_copy(update={"repetitions": plan.config.repetitions + 1})
    assert prefect_runner.plan_of("compare", other) is not plan


def test_figures_are_read_by_people() -> None:
    assert [size(n) for n in (None, 12.0, 2_500.0, 3.2e9)] == ["?", "12 B", "2.5 kB", "3.2 GB"]
    assert [duration(n) for n in (None, 0.25, 90.0, 7200.0, 864000.0)] == ["?", "0.25 s", "1.5 min", "2 h", "10 d"]


def test_a_plan_without_data_or_model_goes_by_published_counts(tmp_path: Path) -> None:
    presets = ("--preset", "qwen2-vl-7b", "--preset", "mbeir/mscoco-t2i", "--preset", "paper")
    done = process("run", *presets, "--set", "dataset.path=nowhere", "--plan", "--store", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "29,809" in done.stdout
    assert "protocol: paper" in done.stdout
    assert "By published counts" in done.stdout
    assert "activations.store is" not in done.stdout
    every = ("--set", "dataset.path=nowhere", "--set", "activations.store=all")
    done = process("run", *presets, *every, "--plan", "--store", str(tmp_path))
    assert "activations.store is all" in " ".join(done.stdout.split())
