"""The protocol of the paper on the embedded model, and what a second implementation is given to check it by."""

import json
from pathlib import Path

import pytest

from tests.independent.exchange import BROKEN, SYSTEMS, TASKS, UNANSWERED, HitRates, export

pytestmark = pytest.mark.long

N = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("exchange") / "made"
    export(made, most=N)
    return made


def test_hit_rates_are_shares_of_all_queries(folder: Path) -> None:
    found: HitRates = json.loads((folder / "hit_rates.json").read_text())
    assert found.keys() == TASKS.keys()
    for name, systems in found.items():
        of_all = N + (name != "t2i")  # one without an answer, or one whose picture cannot be read
        assert systems.keys() == SYSTEMS.keys()
        for rates in systems.values():
            hits = [rates[str(k)] * of_all for k in (1, 5, 10)]
            assert hits == pytest.approx([round(hit) for hit in hits])
            assert sorted(hits) == hits
        assert systems["raw"]["10"] == pytest.approx(N / of_all)  # as many as there are


def test_a_second_implementation_finds_all_that_it_needs(folder: Path) -> None:
    about = json.loads((folder / "exchange.json").read_text())
    assert (Path(about["model"]) / "config.json").is_file()
    samples = {sample["id"]: sample for sample in map(json.loads, (folder / "samples.jsonl").read_text().splitlines())}
    assert BROKEN not in samples
    assert all((folder / sample["image"]).is_file() for sample in samples.values() if sample["image"])
    for task in json.loads((folder / "tasks.json").read_text()):
        assert samples.keys() >= {*task["queries"], *task["pool"], *(i for of in task["qrels"].values() for i in of)}
        assert {*task["queries"]} - task["qrels"].keys() == ({UNANSWERED} if task["task"] == "t2t" else set())
        assert task["quarantined"] == ([BROKEN] if task["task"] == "i2t" else [])
