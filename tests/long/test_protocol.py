"""The paper's protocol in float16, its autoencoder trained on other data: a generative model from plan to report."""

from pathlib import Path

import numpy as np
import pytest

from flows.inline import InlineRunner
from flows.running import run_plan
from pipeline_core import open_store
from pipeline_core.planner.planning import plan_analysis
from pipeline_core.warehouse.query import query
from tests.models import tiny
from tests.small import picture_folder, small_config

pytestmark = pytest.mark.long


def test_from_the_plan_to_the_report(tmp_path: Path) -> None:
    other = picture_folder(tmp_path / "other", 20)
    trained = f"trained_on: {{name: folder, path: {other}}}"
    sae = f"sae=[{{name: paper, features: 64, k: 8, epochs: 2, batch_size: 64, {trained}}}]"
    model = f"model={{name: {tiny.save_llava(tmp_path / 'llava')}, alias: llava}}"
    config = small_config(picture_folder(tmp_path / "pictures", 24), "protocol=paper", model, "compare_with=[]", sae)
    store = tmp_path / "store"
    record = run_plan("analyze", plan_analysis(config), store, InlineRunner())
    assert record.state == "completed"
    run = open_store(store).run()
    vectors = run.table("activations/llava", "embeddings")["vector"].to_numpy()
    assert all(np.isfinite(vector).all() for vector in vectors)
    (told,) = run.table("sae/llava/paper", "sae_data").to_dicts()
    assert told["trained_on"] == "folder other" and told["n_tokens"] > told["n_samples"] > 0
    assert np.isfinite(told["held_out_fvu"])
    scored = query(store, "select count(*) from recall where named").rows
    assert scored[0][0] > 0
    (page,) = store.glob("report/*/report.html")
    words = page.read_text(encoding="utf-8")
    assert "protocol: paper" in words and "folder other" in words
