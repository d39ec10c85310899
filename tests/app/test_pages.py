"""Every page over HTTP: what it shows and refuses, where it leads, and that its numbers are those of its queries."""

import html
import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import polars as pl
import pytest

from pipeline_core import open_store
from pipeline_core.app.pages import PAGES
from pipeline_core.schema.parquet import read_table
from pipeline_core.store.journal import journalled_run
from pipeline_core.warehouse.build import publish_runs
from pipeline_core.warehouse.query import query
from tests.app.conftest import served
from tests.app.walking import Bare, links
from tests.app.world import HOSTILE_FILE, MODEL, SAE

SHOWN = {
    "activations": f"/activations?sae={SAE}&feature=3",
    "differences": "/differences?beside=latest",
    "feature": f"/feature?sae={SAE}&feature=12",
    "overview": "/?beside=latest",
    "fires": "/fires?sae=reference-contrastive/paper&feature=3",
    "removed": f"/removed?sae={SAE}&feature=3",
    "query": "/query?task=t2i&query=q000",
    "sample": "/sample?id=image:000",
    "search": "/search?sample=text:035&to=any",
    "sql": "/sql?sql=select%20claim,%20verdict%20from%20latest.claims",
}
"""Addresses of pages that show little by themselves."""

WORKED_OUT = {"sql", "search", "map", "fires", "removed", "differences"}
"""Pages whose numbers are no answers of the warehouse: the queries that they link to are of what these come from."""

ADDRESSES = {name: SHOWN.get(name, page.path) for name, page in PAGES.items()}
_SECTION = re.compile(r"<section.*?</section>", re.DOTALL)


def _told(number: object) -> str:
    """Write a number so that the order in which others were added to it does not show."""
    return f"{float(str(number)):.10g}"


@pytest.fixture(scope="module")
def pages(client: httpx.Client) -> dict[str, str]:
    answers = {name: client.get(address) for name, address in ADDRESSES.items()}
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(ADDRESSES, 200)
    return {name: answer.text for name, answer in answers.items()}


def test_captions_in_html_stay_text(pages: dict[str, str]) -> None:
    for page in pages.values():
        assert "<script>alert" not in page
        assert "<b>bold" not in page


def test_the_hostile_caption_is_shown(client: httpx.Client) -> None:
    for address in ("/sample?id=text:000", "/query?task=t2i&query=q000"):
        assert html.escape("<script>alert(", quote=False) in client.get(address).text


def test_files_with_hostile_names_and_features_called_by_hostile_texts_stay_text(client: httpx.Client) -> None:
    asked = client.get("/sample", params={"id": HOSTILE_FILE})
    assert asked.status_code == 200
    searched = client.get("/search", params={"sample": HOSTILE_FILE, "to": "any", "k": 50})
    called = [client.get("/features", params={"words": "<script>", "kind": "all"}), client.get("/map?form=points")]
    for answer in (asked, searched, *called[:1]):
        assert "<script>alert" not in answer.text
        assert html.escape("<script>alert(", quote=False) in answer.text
    assert called[1].headers["content-type"].startswith("application/json")


def test_whatever_a_page_links_to_is_there(client: httpx.Client, pages: dict[str, str]) -> None:
    kinds = {}
    more = (
        f"/feature?sae={SAE}&feature=100",
        "/?beside=latest",
    )  # which shows what is measured on demand, or beside it
    for page in (*pages.values(), *(client.get(address).text for address in more)):
        found = links(page)
        assert {"/static/style.css", "/static/app.js"} <= found
        for link in sorted(found):
            asked = urlsplit(link)
            kinds.setdefault((asked.path, tuple(sorted(parse_qs(asked.query)))), link)
    assert {path for path, _ in kinds} >= {page.path for page in PAGES.values()}
    for link in kinds.values():
        assert client.get(link).status_code == 200, link


def test_what_a_browser_is_sent_is_small(client: httpx.Client, pages: dict[str, str]) -> None:
    shared = {name: len(client.get(f"/static/{name}").content) for name in ("style.css", "app.js")}
    assert sum(shared.values()) < 64 * 1024
    for name, page in pages.items():
        assert len(page.encode()) < 256 * 1024, name


def test_nothing_is_loaded_from_elsewhere(pages: dict[str, str]) -> None:
    for page in pages.values():
        assert not re.findall(r'(?:src|href|action)="(?!/|#|data:,)[^"]*"', page)


@pytest.mark.parametrize("name", sorted(set(PAGES) - WORKED_OUT - {"glossary"}))
def test_every_number_is_that_of_the_query_beside_it(pages: dict[str, str], tiny_store: Path, name: str) -> None:
    page, seen = pages[name], 0
    everywhere = {link for link in links(page) if link.startswith("/sql?sql=")}
    for section in _SECTION.findall(page):
        numbers = {_told(value) for value in re.findall(r'<data value="([^"]+)">', section)}
        asked = {link for link in links(section) if link.startswith("/sql?sql=")} or everywhere
        rows = [row for link in asked for row in query(tiny_store, parse_qs(urlsplit(link).query)["sql"][0]).rows]
        known = {_told(float(cell)) for row in rows for cell in row if isinstance(cell, int | float)}
        assert numbers <= known
        seen += len(numbers)
    assert seen > 0


@pytest.mark.parametrize(
    "name", sorted({"overview", "features", "feature", "search", "queries", "query", "sample", "map", "glossary"})
)
def test_no_number_stands_without_its_query(pages: dict[str, str], name: str) -> None:
    assert Bare.numbers(pages[name]) == []


def test_the_overview_opens_with_what_was_found(client: httpx.Client) -> None:
    page = client.get("/").text
    strip = _SECTION.search(page)
    assert strip is not None
    for told in ("reference-mllm, raw", "best fix without labels", "reference-contrastive, raw", "the paper’s claims"):
        assert told in strip[0]
    assert "significant on" in re.sub(r"\s+", " ", strip[0])


def test_runs_stand_side_by_side_with_what_differs(client: httpx.Client, tiny_store: Path) -> None:
    older, newer = (row[0] for row in query(tiny_store, "select run_id from runs order by started").rows)
    page = client.get("/", params={"run": newer, "beside": older}).text
    assert "Side by side" in page
    assert re.search(r'<th scope="row">repetitions</th><td><code>–</code></td><td><code>3</code></td>', page)
    old = client.get("/features", params={"run": older}).text
    assert f"Run {older}, not the latest" in old
    by_name = client.get("/features", params={"run": newer}).text
    assert f"Run {newer}." in by_name
    assert "not the latest" not in by_name
    assert f'href="/feature?run={older}&amp;sae=' in old
    asked = next(link for link in links(old) if link.startswith("/sql?"))
    assert parse_qs(urlsplit(asked).query)["run"] == [older]
    assert f"has the rows of the run {older}" in client.get(asked).text


def test_runs_differ_query_by_query(client: httpx.Client, tiny_store: Path) -> None:
    older, newer = (row[0] for row in query(tiny_store, "select run_id from runs order by started").rows)
    beside = client.get("/", params={"run": newer, "beside": older}).text
    assert {f"/differences?run={newer}&beside={older}"} == {link for link in links(beside) if "/differences" in link}
    page = client.get("/differences", params={"run": newer, "beside": older}).text
    assert f"{newer} minus {older}" in page
    assert "every query scored the same with raw" in page
    (asked,) = (link for link in links(page) if link.startswith("/sql?sql="))
    rows = query(tiny_store, parse_qs(urlsplit(asked).query)["sql"][0]).rows
    assert rows and all(row[-1] == row[-2] for row in rows)


def test_activations_are_counted_by_modality(client: httpx.Client, tiny_store: Path) -> None:
    codes = read_table(open_store(tiny_store).run().artifact(f"codes/{SAE}"), "codes")
    samples = read_table(open_store(tiny_store).run().artifact("dataset"), "samples").select("sample_id", "modality")
    chosen = codes.join(samples, on="sample_id").with_columns(active=pl.col("features").list.contains(7))
    page = client.get("/activations", params={"sae": SAE, "feature": 7}).text
    for modality, told in (("image", "pictures"), ("text", "texts")):
        of = chosen.filter(modality=modality)
        words = re.sub(r"<[^>]+>", "", page)
        assert f"{told}: active on {of['active'].sum()} of {of.height}" in words
        bars = re.search(f'aria-label="{modality}: ([^"]*)"', page)
        assert bars is not None
        assert sum(int(n) for n in re.findall(r"(\d+) from", bars[1])) == of["active"].sum()


def test_removal_on_demand_is_what_the_stage_measures(client: httpx.Client, tiny_store: Path) -> None:
    page = client.get("/removed", params={"sae": SAE, "feature": 3}).text
    asked = query(tiny_store, "select task_id from latest.tasks where control = 'none' order by 1").rows
    assert re.findall(r"<small>([^,<]+), hit@", page) == [row[0] for row in asked]
    assert len(re.findall(r"[+−]?\d+\.\d points", page)) == len(asked)


def test_attention_is_shown_by_layer_head_and_role(client: httpx.Client, tiny_store: Path) -> None:
    asked = {"source": "last", "modality": "image_text", "role": "prompt"}
    page = client.get("/attention", params=asked).text
    sql = (
        "select layer, head, avg(mass) from latest.attention_mass where source = 'last' and role = 'prompt' "
        "and sample_id like 'image_text:%' group by all order by all"
    )
    heads = page.partition('class="heads"')[2].partition("</table>")[0]
    wanted = [_told(row[2]) for row in query(tiny_store, sql).rows]
    assert [_told(value) for value in re.findall(r'<data value="([^"]+)">', heads)] == wanted
    assert "Pictures with a map" in page
    assert client.get("/attention", params={"model": "reference-contrastive"}).status_code == 404


def test_a_map_has_every_item(client: httpx.Client) -> None:
    for system in ("raw", "ReAlign"):
        told = client.get("/map", params={"form": "points", "system": system}).json()
        assert len(told["x"]) == 80
        assert sorted(set(told["tone"])) == [0, 2]


def test_a_stored_sample_is_searched_with_in_every_column(client: httpx.Client) -> None:
    page = client.get("/search", params={"sample": "text:035", "to": "text", "k": 3}).text
    columns = re.findall(r'<section class="column".*?</section>', page, re.DOTALL)
    assert len(columns) == 5
    for column in columns:
        first = re.search(r'<li class="hit">.*?</li>', column, re.DOTALL)
        assert first is not None
        if "<h2>raw" in column:
            assert "text%3A035" in first[0]
        parts = [float(number) for number in re.findall(r'<span class="number">([^<]+)</span>', first[0])]
        assert 'class="part-of"><img' in re.sub(r">\s+<", "><", first[0])
        score = re.search(r'<span class="score">([^<]+)</span>', first[0])
        assert score is not None
        assert sum(parts) == pytest.approx(float(score[1]), abs=5e-4)


def test_the_shrinkage_changes_the_answers_and_is_in_the_link(client: httpx.Client) -> None:
    scores = []
    for beta in ("0", "0.9"):
        page = client.get("/search", params={"sample": "text:035", "beta": beta}).text
        assert f"beta={float(beta)}" in page
        scores.append(re.findall(r'<span class="score">([^<]+)</span>', page))
    assert scores[0] != scores[1]


def test_the_share_removed_changes_the_answers_and_is_in_the_link(client: httpx.Client) -> None:
    found = {}
    for share in ("0", "0.01", "0.9"):
        page = client.get("/search", params={"sample": "text:035", "share": share}).text
        found[share] = re.search(r'aria-label="[^"]*, features removed">.*?</section>', page, re.DOTALL)[0]  # type: ignore[index]
        raw = re.search(r'aria-label="[^"]*, raw">.*?</section>', page, re.DOTALL)[0]  # type: ignore[index]
        assert f"share={float(share)}" in page
    scores = {share: re.findall(r'<span class="score">([^<]+)</span>', column) for share, column in found.items()}
    assert scores["0"] == re.findall(r'<span class="score">([^<]+)</span>', raw) != scores["0.01"]
    assert "4 of the largest attribution" in found["0.01"]
    assert "360 features may span all 16 dimensions; remove 8 at most" in found["0.9"]


def test_scores_are_those_of_the_query_beside_them(client: httpx.Client, tiny_store: Path) -> None:
    asked = {"sample": "text:035", "to": "any", "beta": "0.35", "share": "0.01"}
    page = client.get("/search", params=asked).text
    columns = re.findall(r'<section class="column".*?</section>', page, re.DOTALL)
    assert len(columns) == 5
    for column in columns:
        (asked_again,) = (link for link in links(column) if link.startswith("/sql?"))
        rows = query(tiny_store, parse_qs(urlsplit(asked_again).query)["sql"][0]).rows
        shown = [float(score) for score in re.findall(r'<span class="score">([^<]+)</span>', column)]
        assert [row[2] for row in rows] == pytest.approx(shown, abs=6e-5)
        assert [row[2] for row in rows] == sorted((row[2] for row in rows), reverse=True)


def test_queries_are_counted_by_how_they_moved(client: httpx.Client, tiny_store: Path) -> None:
    ranks = "latest.retrieval_ranks where task_id = 't2i' and split = 'test' and system_id ="
    sql = (
        "select count(*) filter (a.first_relevant_rank < b.first_relevant_rank), "
        "count(*) filter (a.first_relevant_rank > b.first_relevant_rank) "
        f"from (from {ranks} '{MODEL}/raw') b join (from {ranks} '{MODEL}/realign') a using (query_id)"
    )
    ((rose, fell),) = query(tiny_store, sql).rows
    page = re.sub(r"<[^>]+>", "", client.get("/queries", params={"task": "t2i"}).text)
    assert f"Of 40, {rose} rose, {fell} fell, {40 - rose - fell} stayed" in page
    shown = client.get("/queries", params={"task": "t2i", "move": "rose"}).text
    assert shown.count("▲ rose") == rose


def test_right_answers_are_marked(client: httpx.Client, tiny_store: Path) -> None:
    sql = (
        "select count(*) from latest.retrieval_hits semi join latest.systems on (retrieval_hits.system_id = "
        "systems.system_id and control = 'none') where task_id = 't2i' and query_id = 'q000' and relevant "
        f"and retrieval_hits.system_id like '{MODEL}/%'"
    )
    ((n,),) = query(tiny_store, sql).rows
    assert client.get("/query", params={"task": "t2i", "query": "q000"}).text.count('class="tick-mark"') == n


def test_the_console_answers_a_table_and_csv(client: httpx.Client) -> None:
    asked = {"sql": "select 1 as one, 'a<b' as text union all select 2, null order by 1"}
    page = client.get("/sql", params=asked).text
    assert "2 rows" in page
    assert "a&lt;b" in page
    answer = client.get("/sql", params=asked | {"form": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text == "one,text\n1,a<b\n2,\n"


def test_the_console_draws_what_it_answers(client: httpx.Client) -> None:
    asked = {"sql": "select 'a<b' as name, 3 as n union all select 'c', 1 order by 1"}
    page = client.get("/sql", params=asked | {"chart": "bars"}).text
    assert re.findall(r'<th scope="row">(.*?)</th>', page) == ["a&lt;b", "c"]
    assert "n by name" in page
    page = client.get("/sql", params=asked | {"chart": "line", "x": "name"}).text
    assert "line of name and n cannot be drawn; numbers: n" in page
    assert "2 rows" in page


@pytest.mark.parametrize(
    ("asked", "tones"),
    [({"colour": "task", "task": "t2i"}, {0, 1, 2, 3}), ({"colour": "feature", "feature": 7}, {3, 4, 5, 6, 7})],
)
def test_a_map_is_coloured_by_task_and_by_feature(
    client: httpx.Client, tiny_store: Path, asked: dict[str, str], tones: set[int]
) -> None:
    told = client.get("/map", params=asked | {"form": "points"}).json()
    assert set(told["tone"]) <= tones
    if asked["colour"] == "feature":
        sql = (
            "select count(*) from codes where artifact = $a and list_contains(features, 7::uinteger) "
            "and prompt_id <> 'image_text'"
        )
        artifact = open_store(tiny_store).run().artifact(f"codes/{SAE}").name
        assert query(tiny_store, sql, {"a": artifact}).rows == ((sum(tone != 3 for tone in told["tone"]),),)
    else:
        assert told["tone"].count(2) == 40
    assert client.get("/map", params=asked).status_code == 200


def test_umap_is_offered_where_it_is_installed(client: httpx.Client) -> None:
    page, told = client.get("/map").text, client.get("/map", params={"plane": "umap", "form": "points"})
    if find_spec("umap"):
        assert '<option value="umap">' in page
        assert len(told.json()["x"]) == 80
    else:
        assert "UMAP needs a package of its own: pip install" in page
        assert (told.status_code, "UMAP is not installed here" in told.text) == (400, True)


@pytest.mark.parametrize(
    ("asked", "status", "told"),
    [
        ("/features?kind=green", 400, "kind cannot be &#39;green&#39;; it must be"),
        ("/features?page=0", 400, "page cannot be &#39;0&#39;; it must be 1 or more"),
        ("/features?colour=red", 400, "nothing called colour"),
        ("/features?sae=nobody", 404, "no autoencoder &#39;nobody&#39;; it has reference-mllm/paper"),
        ("/features?run=nobody", 404, "no completed run &#39;nobody&#39;"),
        ("/feature?feature=400", 404, "has no feature 400"),
        ("/feature", 400, "feature must be given"),
        ("/query?task=t2i&query=nobody", 404, "has no query"),
        ("/queries?task=nobody", 404, "there is no task &#39;nobody&#39;"),
        ("/sample?id=nobody", 404, "has no sample"),
        ("/map?form=points&system=nobody", 404, "no system"),
        ("/map?form=points&colour=task&task=nobody", 404, "there is no task"),
        ("/search?picture=0123", 400, "picture cannot be"),
        (f"/search?picture={'0' * 32}", 400, "not kept any more; choose it again"),
        ("/picture?dataset=x&ref=y&side=many", 400, "side cannot be &#39;many&#39;"),
        ("/nowhere", 404, "there is no page /nowhere"),
    ],
)
def test_what_cannot_be_asked_is_told_on_one_page(client: httpx.Client, asked: str, status: int, told: str) -> None:
    answer = client.get(asked)
    assert answer.status_code == status
    assert told in answer.text
    assert "Traceback" not in answer.text
    assert json.loads(client.get(asked, headers={"accept": "application/json"}).text)["problem"]


def test_a_page_is_of_what_is_published_when_it_is_asked_for(tiny_store: Path, tmp_path: Path) -> None:
    store = Path(shutil.copytree(tiny_store, tmp_path / "store"))
    with served(store) as address, httpx.Client(base_url=address, timeout=60) as client:
        before = client.get("/").text
        record = open_store(store).run().record
        with journalled_run(store, record.flow, record.config, record.artifacts) as run:
            assert client.get("/").text == before
        publish_runs(store)
        after = client.get("/").text
    assert f"Run {record.run_id}." in before
    assert f"Run {run.record.run_id}." in after
