"""The page of features over HTTP: sorted, filtered and found by their texts as SQL has them, and drawn."""

import re
from pathlib import Path

import httpx
import pytest

from pipeline_core.app.pages import PAGES, Visit
from pipeline_core.app.pages._named import OfFeature
from pipeline_core.app.pages._words import words
from pipeline_core.app.site import Site
from pipeline_core.warehouse.query import query
from tests.app.world import SAE


@pytest.mark.parametrize(
    ("sort", "up"), [("attribution", "false"), ("energy", "true"), ("modality", "false"), ("bridge", "true")]
)
def test_features_are_sorted_by_what_is_asked(client: httpx.Client, tiny_store: Path, sort: str, up: str) -> None:
    page = client.get("/features", params={"sort": sort, "up": up}).text
    column, way = sort.replace("bridge", "bridge_abs"), "asc" if up == "true" else "desc"
    sql = f"select feature_id from latest.features where sae_id = '{SAE}' and modality is not null "
    wanted = query(tiny_store, sql + f"order by {column} {way}, feature_id limit 40").rows
    assert [int(n) for n in re.findall(r'<th scope="row"><a [^>]*>(\d+)</a>', page)] == [row[0] for row in wanted]


@pytest.mark.parametrize(
    ("asked", "condition"),
    [
        ({"kind": "dead"}, "modality is null"),
        ({"kind": "all"}, "true"),
        ({"kind": "always on"}, "frequency > 0.9"),
        ({"kind": "texts"}, "modality > 2 / 3"),
        ({"energy_from": "0.1", "energy_to": "1"}, "modality is not null and energy between 0.1 and 1"),
        ({"attribution_to": "0.1"}, "modality is not null and attribution <= 0.1"),
    ],
)
def test_features_are_counted_as_they_are_filtered(
    client: httpx.Client, tiny_store: Path, asked: dict[str, str], condition: str
) -> None:
    ((n,),) = query(tiny_store, f"select count(*) from latest.features where sae_id = '{SAE}' and {condition}").rows
    assert f"{n:,}</data> feature{'' if n == 1 else 's'}" in client.get("/features", params=asked).text


def test_features_are_found_by_their_texts(client: httpx.Client) -> None:
    page = client.get("/features", params={"words": "TEAL", "kind": "all"}).text
    rows = re.findall(r'<tr><th scope="row">.*?</tr>', page, re.DOTALL)
    assert rows
    assert any("teal" in row for row in rows)
    assert "No feature is so" in client.get("/features", params={"words": "teal<b>"}).text


def test_points_of_the_drawing_are_all_features_that_are_alive(client: httpx.Client) -> None:
    told = client.get("/features", params={"form": "points"}).json()
    assert {len(values) for values in told.values()} == {380}
    assert min(told["x"]) == 0 and max(told["x"]) == 1
    assert client.get(told["link"][0]).status_code == 200


def test_words_of_every_feature_are_those_of_their_query(tiny_store: Path) -> None:
    site = Site(tiny_store)
    sql = PAGES["feature"].sql("words")
    with site.warehouse.connection() as connection:
        for feature in range(0, 400, 9):
            visit = Visit(site, connection, OfFeature(sae=SAE, feature=feature), PAGES["feature"])
            examples = visit.ask("examples", sae=SAE, feature=feature)
            found = words(visit, sql, SAE, feature, examples)
            asked = query(tiny_store, sql, {"sae": SAE, "feature": feature})
            assert [tuple(row[name] for name in asked.columns) for row in found.rows] == list(asked.rows)
            assert query(tiny_store, found.sql).rows == asked.rows
