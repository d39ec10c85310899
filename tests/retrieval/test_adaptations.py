"""An adaptation is one object: one from outside is fitted, scored, saved, loaded and compared like the others."""

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline_core.contracts.validation import check_artifact
from pipeline_core.grid.score import score_grid
from pipeline_core.grid.settings import GridSettings
from pipeline_core.retrieval.adaptations import ADAPTATIONS, Adaptation, System, adaptation_settings, in_order
from pipeline_core.retrieval.maps import load_maps, unit
from pipeline_core.retrieval.settings import RetrievalSettings, ScoringSettings
from pipeline_core.retrieval.systems import adaptations_table
from pipeline_core.schema.parquet import read_table
from pipeline_core.settings import Section
from tests.retrieval.scoring import evaluate
from tests.retrieval.synthetic import Study

SCORING = ScoringSettings(bootstrap=20, permutations=50)


class Dimensions(Section):
    """Leaving out dimensions."""

    kept: int = 8


@dataclass(frozen=True)
class First:
    """Keeps the first dimensions of what is left beside the mean."""

    mean: np.ndarray
    kept: np.ndarray

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        return unit((vectors - self.mean).astype(np.float32)[:, self.kept])


class FirstDimensions(Adaptation):
    name, label, method, place = "first_dimensions", "first dimensions", "first dimensions", 9
    parameters, maps = Dimensions, (First,)
    analysed = ("candidates", "support")

    def fields(self, scope):
        return {"rank": scope.settings.first_dimensions.kept}

    def fit(self, system: System, statistics):
        return tuple(First(side.mean, np.arange(system.rank)) for side in statistics.sides())


@pytest.fixture
def from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "site" / "first-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: first\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[retrieval_lens.adaptation]\nfirst_dimensions = {__name__}:MEMBER\n")
    monkeypatch.syspath_prepend(str(info.parent))
    monkeypatch.delitem(vars(ADAPTATIONS), "_outside", raising=False)
    yield
    monkeypatch.undo()
    vars(ADAPTATIONS).pop("_outside", None)
    ADAPTATIONS._loaded.pop("first_dimensions", None)


MEMBER = FirstDimensions()


def test_one_from_outside_goes_through_every_study(from_outside: None, study: Study, tmp_path: Path) -> None:
    settings = adaptation_settings()(first_dimensions={"kept": 5})
    results, swept = tmp_path / "results", tmp_path / "swept"
    for folder in (results, swept):
        folder.mkdir()
    without_sae = replace(study, saes=())
    evaluate(without_sae.bench(results, SCORING, settings), RetrievalSettings(depth=10))
    score_grid(without_sae.bench(swept, SCORING, settings), GridSettings(betas=(0.1,)))

    for stage, folder in (("retrieval", results), ("grid", swept)):
        assert all(result.success for result in check_artifact(stage, folder))
    assert adaptations_table().filter(adaptation="first_dimensions").height == 1
    own = read_table(results, "systems").filter(adaptation="first_dimensions")
    assert own.select("system_id", "label", "method", "fit_on", "rank").rows() == [
        ("model/first_dimensions", "first dimensions", "first dimensions", "candidates", 5),
        ("model/first_dimensions-support", "first dimensions, support statistics", "first dimensions", "support", 5),
    ]
    metrics, tests = read_table(results, "retrieval_metrics"), read_table(results, "comparisons")
    for name in own["system_id"]:
        assert set(metrics.filter(system_id=name)["metric"]) == {"hit_rate", "mrr", "recall", "ndcg"}
        assert set(tests.filter(system_id=name)["baseline_id"]) == {"model/raw"}
    sides = [load_maps(results / "adaptations" / "t2i.safetensors")[f"first_dimensions/{n}"] for n in SIDES]
    assert {type(side) for side in sides} == {First}
    embeddings = dict(read_table(study.activations, "embeddings")["sample_id", "vector"].iter_rows())
    hits = read_table(results, "retrieval_hits").filter(system_id="model/first_dimensions", task_id="t2i").head(20)
    queries, candidates = (
        side.apply(np.array([embeddings[sample] for sample in samples], dtype=np.float32))
        for side, samples in zip(sides, ("text:" + hits["query_id"], hits["sample_id"]), strict=True)
    )
    np.testing.assert_allclose(np.einsum("nd,nd->n", queries, candidates), hits["score"], atol=1e-5)

    tried = read_table(swept, "systems").filter(adaptation="first_dimensions", study="adaptations")
    assert set(tried["fit_on"]) == {"candidates", "support", "joint"}
    against = read_table(swept, "comparisons").filter(pl.col("baseline_id").is_in(tried["system_id"].implode()))
    assert set(against["system_id"].str.slice(len("model/adaptations/"))) == {
        f"realign-b0.1-{fit_on}" for fit_on in ("candidates", "support", "joint")
    }


SIDES = ("queries", "candidates")


def test_parameters_are_sections_of_the_settings() -> None:
    settings = adaptation_settings()
    assert settings().model_dump() == {"realign": {"beta": 0.1, "eps": 1e-5}, "removal": {"share": 0.01}}
    assert settings(realign={"beta": 0.5}).model_dump()["realign"] == {"beta": 0.5, "eps": 1e-5}


def test_places_and_labels_differ() -> None:
    members = in_order()
    assert [member.place for member in members] == list(range(len(members)))
    assert len({member.label for member in members}) == len(members)
    assert all(name == member.name for name, member in ADAPTATIONS.items())


def test_members_are_imported_without_torch() -> None:
    code = "import sys\nfrom pipeline_core.retrieval.adaptations import in_order\nin_order()\n"
    asked = subprocess.run(
        [sys.executable, "-c", f"{code}print('torch' in sys.modules)"], capture_output=True, text=True, check=True
    )
    assert asked.stdout.strip() == "False"
