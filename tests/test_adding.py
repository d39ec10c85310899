"""The pages on how to add a member run: one of each kind, outside the package, through report and SQL."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline_core.registry import GROUP
from tests.command import LENS

PAGES = sorted((Path(__file__).parents[1] / "docs" / "adding").glob("*.py"))
KINDS = {
    "adaptation": "standardise",
    "checkpoint_format": "npz",
    "data_set": "shapes",
    "export": "trec_run",
    "figure": "found_by_rank",
    "model_family": "colours",
    "page": "longest_texts",
    "sae_architecture": "relu",
    "stage": "lengths",
}
"""Name of the member on each page; a page is called as its kind."""

CONFIG: dict[str, Any] = {
    "dataset": {"name": "shapes"},
    "model": {"name": "mean-colour"},
    "compare_with": [],
    "lengths": {"quantile": 0.9},
    "sae": [
        {"name": "relu", "architecture": "relu", "states": "vectors", "features": 32, "epochs": 3, "batch_size": 16},
        {"from": "elsewhere.npz", "states": "vectors"},
    ],
    "features": {"share": 0.05},
    "adaptations": {"removal": {"share": 0.05}, "standardise": {"least": 1e-4}},
    "scoring": {"bootstrap": 100, "permutations": 100},
    "retrieval": {"single_features": 2},
    "grid": {"betas": [0.1], "pca_ranks": [8]},
    "doses": {"shares": [0.05], "ranks": [1], "cumulative_features": 2, "single_features": 2, "random_draws": 2},
    "repetitions": 2,
    "efficiency": {"candidates": [64], "queries": 8, "widths": []},
    "placement": {"runner": "inline", "threads": 1},
}


class Outside:
    """A place with a distribution that brings every page's member, and commands that run there."""

    def __init__(self, place: Path) -> None:
        self.place = place
        package = place / "outside"
        package.mkdir()
        (package / "__init__.py").touch()
        info = place / "outside-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
        lines = []
        for page in PAGES:
            shutil.copy(page, package)
            lines += [f"[{GROUP}.{page.stem}]", f"{KINDS[page.stem]} = outside.{page.stem}:MEMBER"]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")

    def lens(self, *arguments: str) -> str:
        command = [*LENS, *arguments, "--store", "store"]
        done = subprocess.run(
            command,
            cwd=self.place,
            env=os.environ | {"PYTHONPATH": str(self.place)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def sql(self, question: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.lens("sql", "--json", question))
        return rows


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Outside:
    made = Outside(tmp_path_factory.mktemp("outside"))
    random = np.random.default_rng(0)
    rows = random.normal(size=(32, 16)).astype(np.float32)
    arrays = {"encoder": rows, "bias": np.zeros(32, np.float32), "decoder": rows, "k": np.array(4)}
    np.savez(made.place / "elsewhere.npz", **arrays)
    (made.place / "config.yaml").write_text(json.dumps(CONFIG))
    made.lens("sweep", "--config", "config.yaml")
    return made


@pytest.fixture(scope="module")
def page(outside: Outside) -> str:
    return Path(outside.lens("report").strip()).read_text(encoding="utf-8")


def test_every_kind_has_a_page() -> None:
    assert [page.stem for page in PAGES] == sorted(KINDS)


def test_the_data_set_and_the_model_are_those_from_outside(outside: Outside, page: str) -> None:
    (counted,) = outside.sql("SELECT count(*) AS n FROM latest.samples WHERE modality = 'image'")
    assert counted["n"] == 50
    assert outside.sql("SELECT model FROM latest.models") == [{"model": "mean-colour"}]
    assert "mean-colour" in page
    assert "on the data set shapes" in page


def test_the_stages_table_is_asked_like_any_other(outside: Outside) -> None:
    rows = outside.sql("SELECT modality, n_vectors, length FROM latest.embedding_lengths ORDER BY modality")
    assert [(row["modality"], row["n_vectors"]) for row in rows] == [("image", 50), ("text", 50)]
    (checked,) = outside.sql(
        "SELECT count(*) AS n FROM latest.contract_results WHERE table_name = 'embedding_lengths' AND success"
    )
    assert checked["n"] > 1


def test_the_adaptation_is_scored_compared_and_drawn(outside: Outside, page: str) -> None:
    rows = outside.sql(
        "SELECT DISTINCT systems.study, systems.method, systems.eps FROM seeds.retrieval_metrics "
        "JOIN seeds.systems USING (artifact, system_id) WHERE adaptation = 'standardise' ORDER BY study"
    )
    assert {row["study"] for row in rows} == {"adaptations", "main"}
    assert {row["eps"] for row in rows} == {1e-4}
    (compared,) = outside.sql("SELECT count(*) AS n FROM latest.comparisons WHERE system_id LIKE '%/standardise'")
    assert compared["n"] > 0
    assert "unit variance" in page


def test_autoencoders_are_trained_by_the_architecture_and_read_in_the_format(outside: Outside, page: str) -> None:
    saes = outside.sql("SELECT sae_id, count(*) AS n FROM latest.features GROUP BY ALL ORDER BY ALL")
    assert saes == [{"sae_id": "mean-colour/elsewhere", "n": 32}, {"sae_id": "mean-colour/relu", "n": 32}]
    lengths = outside.sql(
        "SELECT sae_id, count(DISTINCT len(features)) AS n FROM latest.codes GROUP BY ALL ORDER BY ALL"
    )
    assert lengths[1]["n"] > 1
    for row in saes:
        assert row["sae_id"] in page


def test_the_page_is_in_the_bar_and_answers(outside: Outside) -> None:
    asked = (
        "from pathlib import Path; from fastapi.testclient import TestClient; "
        "from pipeline_core.app.server import create_app; "
        "client = TestClient(create_app(Path('store')), base_url='http://localhost'); "
        "print(client.get('/').text, client.get('/longest-texts?most=3').text)"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked],
        cwd=outside.place,
        env=os.environ | {"PYTHONPATH": str(outside.place)},
        capture_output=True,
        text=True,
        check=True,
    )
    overview, _, page = done.stdout.partition("<h1>Longest texts")
    assert '<a href="/longest-texts">Longest texts</a>' in overview
    assert page.count("<li>") == 3
    assert "characters" in page


def test_the_figure_is_in_the_report_with_its_question(outside: Outside, page: str) -> None:
    assert f'id="figure-{KINDS["figure"]}"' in page
    assert "first_relevant_rank &lt;= k" in page


def test_the_export_is_listed_and_writes_what_sql_shows(outside: Outside) -> None:
    assert "ranked lists of raw embeddings" in outside.lens("export")
    assert outside.lens("export", KINDS["export"], "raw.run").endswith("lens score raw.run QRELS\n")
    (counted,) = outside.sql(
        "SELECT count(*) AS n FROM latest.retrieval_hits JOIN latest.systems USING (artifact, system_id) "
        "WHERE adaptation = 'identity'"
    )
    lines = (outside.place / "raw.run").read_text().splitlines()
    assert len(lines) == counted["n"] > 0
    assert {len(line.split()) for line in lines} == {6}
