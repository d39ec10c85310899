"""What the stage loads, and what it tells the model."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline_core.activations.stage import STAGE
from pipeline_core.models import loading
from pipeline_core.models.embedder import Embedder
from pipeline_core.models.generative import GenerativeEmbedder
from pipeline_core.planner.planning import plan_analysis
from pipeline_core.stage import ModelSubject, Work
from tests.models import tiny
from tests.small import picture_folder, small_config


def test_a_model_is_told_how_many_tokens_a_pass_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, loaded, load = tiny.save_llava(tmp_path / "model"), list[Embedder](), loading.load_embedder

    def remembering(*given: object) -> Embedder:
        loaded.append(load(*given))
        return loaded[-1]

    monkeypatch.setattr(loading, "load_embedder", remembering)
    config = small_config(picture_folder(tmp_path / "pictures", 6), f"model.name={model}", "placement.batch_tokens=70")
    steps = plan_analysis(config).steps.values()
    subject = next(step.subject for step in steps if step.stage == STAGE.name)
    assert isinstance(subject, ModelSubject)
    STAGE.builder(Work(subject, (), tmp_path, lambda done, total: None, tmp_path))
    (embedder,) = loaded
    assert isinstance(embedder, GenerativeEmbedder)
    assert embedder.most_tokens == 70


def test_who_plans_and_seals_shards_loads_neither_a_model_s_library_nor_processes() -> None:
    """On a cluster that is another process than those that build them."""
    asked = "import sys, pipeline_core.activations.extract; print({'torch', 'transformers', 'loky'} & {*sys.modules})"
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert told.stdout == "set()\n"
