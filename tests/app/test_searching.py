"""Search by words and by a picture with a model that is loaded once: the answers are those of ``lens search``."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import polars as pl
import pytest

from flows.searching import open_searcher
from pipeline_core.activations.query import Question
from pipeline_core.app.removals import Removals
from pipeline_core.dataset.images import ImageReader
from pipeline_core.index.searcher import Searcher
from pipeline_core.library import open_store
from pipeline_core.models import loading
from pipeline_core.schema.parquet import read_table
from tests.app.conftest import served

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def searcher(inline_store: Path) -> Searcher:
    return open_searcher(inline_store)


@pytest.fixture(scope="module")
def own(inline_store: Path) -> Iterator[httpx.Client]:
    with served(inline_store) as address, httpx.Client(base_url=address, timeout=120) as client:
        yield client


def columns(page: str) -> dict[str, list[tuple[str, float]]]:
    found = {}
    for name, column in re.findall(
        r'<section class="column" aria-label="[^"]*, ([^"]+)">(.*?)</section>', page, re.DOTALL
    ):
        hits = re.findall(r'<li class="hit">(.*?)</li>', column, re.DOTALL)
        found[name] = [
            (re.findall(r"\?id=([^\"]+)\"", hit)[0].replace("%3A", ":"), float(re.findall(r'"score">([^<]+)<', hit)[0]))
            for hit in hits
        ]
    return found


def test_words_find_what_the_command_finds(own: httpx.Client, searcher: Searcher) -> None:
    wanted = searcher.search(Question("a red heart"), "image", 5)
    found = columns(own.get("/search", params={"words": "a red heart", "k": 5}).text)
    assert list(found) == ["raw", "mean removed", "ReAlign", "features removed"]
    for name, hits in (("raw", wanted.raw), ("ReAlign", wanted.realign)):
        assert hits is not None
        assert [score for _, score in found[name]] == pytest.approx([hit.score for hit in hits], abs=2e-4)
        assert {sample for sample, _ in found[name]} == {hit.sample_id for hit in hits}


def test_a_picture_finds_itself_and_the_model_is_loaded_once(
    own: httpx.Client, inline_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.get("/search", params={"words": "warm"})
    monkeypatch.delattr(loading, "load_embedder")
    dataset = open_store(inline_store).run().artifact("dataset")
    row = read_table(dataset, "samples").filter(modality="image").sort("sample_id").row(7, named=True)
    data = io.BytesIO()
    with ImageReader(dataset) as reader:
        reader.open(row["image_ref"]).save(data, "PNG")
    headers = {"origin": str(own.base_url).rstrip("/"), "accept": "application/json"}
    name = own.post("/asked", content=data.getvalue(), headers=headers).json()["picture"]
    page = own.get("/search", params={"picture": name, "k": 1})
    found = columns(page.text)
    assert [hits[0][0] for hits in found.values()] == [row["sample_id"]] * 4
    assert own.get(f"/asked/{name}").headers["content-type"] == "image/webp"


def test_removal_on_demand_is_that_which_is_stored(inline_store: Path) -> None:
    run = open_store(inline_store).run()
    (sae,) = run.saes
    stored = run.table(f"retrieval/{run.models[0]}", "removal_effects").filter(pl.col("feature_id").is_not_null())
    removals = Removals(run, run.models[0])
    for feature, wanted in stored.group_by("feature_id"):
        found = removals.effects(run.artifact(f"sae/{sae}"), int(feature[0]))
        both = found.join(wanted, on="task_id")
        assert both.height == found.height > 0
        for column in ("k", "delta", "low", "high", "p"):
            assert both[column].to_list() == pytest.approx(both[f"{column}_right"].to_list(), abs=1e-12)
