"""The page is complete, escaped, self-contained, and renders whatever parts there are."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline_core.contracts.validation import validate_artifact
from pipeline_core.report.build import REPORT_FILE, build_report
from pipeline_core.report.inputs import ReportInputs, RunFacts
from pipeline_core.report.settings import ReportSettings
from pipeline_core.schema import tables_of
from pipeline_core.schema.parquet import read_table
from tests.report.artifacts import HOSTILE
from tests.report.world import RunWorld

PAGES = ("page", "swept_page")
VOID = {"meta", "link", "img", "col", "br"}


class Outline(HTMLParser):
    """Collects the elements of a page, and fails on tags that do not close."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def outline(page: Path) -> Outline:
    parsed = Outline()
    parsed.feed(page.read_text(encoding="utf-8"))
    assert parsed.open == []
    return parsed


def render(inputs: ReportInputs, folder: Path) -> str:
    build_report(inputs, ReportSettings(), folder)
    outline(folder / REPORT_FILE)
    return (folder / REPORT_FILE).read_text(encoding="utf-8")


def test_the_page_holds_every_part_and_is_small(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for anchor in (
        *("figure-recall", "figure-density", "figure-energy", "claims", "features", "queries"),
        *(f"table-{name}" for name in ("recall-0", "recall-1", "recall-0-controls", "cutoffs", "comparisons")),
        *(f"table-{name}" for name in ("removal", "overlaps", "reconstruction", "index", "contracts", "stages")),
    ):
        assert f'id="{anchor}"' in text
    assert "Twemoji, CC-BY 4.0" in text
    assert len(text) < 5_000_000


def test_a_swept_page_holds_the_sweeps_and_the_papers_tables_and_is_small(swept_page: Path) -> None:
    text = swept_page.read_text(encoding="utf-8")
    for anchor in ("paper", "sweeps", "paper-tables", "tables", "figure-layers", "table-zero-shot", "table-whitening"):
        assert f'id="{anchor}"' in text
    assert "R@k is the hit rate" in " ".join(text.split())
    assert swept_page.stat().st_size < 6_000_000


def test_the_verdicts_lie_beside_the_page_as_tables_that_keep_their_contracts(
    swept: ReportInputs, swept_page: Path
) -> None:
    results = validate_artifact("report", swept_page.parent)
    assert {result.table_name for result in results} == {table.name for table in tables_of("report")}
    assert all(result.success for result in results)
    assert read_table(swept_page.parent, "models")["model"].to_list() == sorted(model.name for model in swept.models)
    assert read_table(swept_page.parent, "claims")["claim"].to_list() == list(range(1, 14))


@pytest.mark.parametrize("which", PAGES)
def test_the_page_loads_nothing(request: pytest.FixtureRequest, which: str) -> None:
    page: Path = request.getfixturevalue(which)
    parsed = outline(page)
    addresses = [value for _, a in parsed.elements for name, value in a.items() if name in ("src", "href", "srcset")]
    assert addresses
    assert {address.split(":")[0] if address[0] != "#" else "#" for address in addresses if address} == {"#", "data"}
    assert not re.search(r"@import|url\(|https?://", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("which", PAGES)
def test_pictures_have_words_and_tables_captions(request: pytest.FixtureRequest, which: str) -> None:
    page: Path = request.getfixturevalue(which)
    parsed = outline(page)
    assert len(parsed.of("img")) > 50
    assert all(image["alt"] for image in parsed.of("img"))
    assert all(svg.get("aria-hidden") == "true" or svg["aria-label"] for svg in parsed.of("svg"))
    assert len(parsed.of("caption")) == len(parsed.of("table"))
    assert len(parsed.of("figcaption")) == len(parsed.of("figure"))


@pytest.mark.parametrize("which", PAGES)
def test_headings_skip_no_level(request: pytest.FixtureRequest, which: str) -> None:
    page: Path = request.getfixturevalue(which)
    levels = [int(tag[1]) for tag, _ in outline(page).elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("which", PAGES)
def test_anchors_are_unique_and_links_lead_somewhere(request: pytest.FixtureRequest, which: str) -> None:
    page: Path = request.getfixturevalue(which)
    parsed = outline(page)
    ids = [a["id"] for _, a in parsed.elements if "id" in a]
    assert len(set(ids)) == len(ids)
    assert {a["href"].removeprefix("#") for a in parsed.of("a") if a["href"]} <= set(ids)


def test_captions_stay_text(hostile_run: RunWorld, tmp_path: Path) -> None:
    build_report(hostile_run.told(), ReportSettings(features_shown=40), tmp_path)
    parsed = outline(tmp_path / REPORT_FILE)
    assert "".join(parsed.text).count(HOSTILE) > 0
    assert len(parsed.of("script")) == 1
    assert parsed.of("b") == []


def test_a_title_stays_text(inputs: ReportInputs, tmp_path: Path) -> None:
    build_report(inputs, ReportSettings(title=HOSTILE), tmp_path)
    assert outline(tmp_path / REPORT_FILE).of("b") == []


def test_the_model_that_the_verdicts_are_about_is_named_and_stays_text(inputs: ReportInputs, tmp_path: Path) -> None:
    studied = replace(inputs.studied, name=HOSTILE)
    build_report(replace(inputs, models=(studied, *inputs.compared)), ReportSettings(), tmp_path)
    parsed = outline(tmp_path / REPORT_FILE)
    assert f"The verdicts are about {HOSTILE}, and each" in " ".join("".join(parsed.text).split())
    assert parsed.of("b") == []


def test_one_model_alone_renders(plain_run: RunWorld, tmp_path: Path) -> None:
    text = render(replace(plain_run, models=plain_run.models[:1]).told(), tmp_path)
    assert "reference-contrastive" not in text
    assert 'id="figure-recall"' in text


def test_without_saes_there_are_no_features(plain_run: RunWorld, tmp_path: Path) -> None:
    models = tuple(replace(model, saes=()) for model in plain_run.models)
    text = render(replace(plain_run, models=models).told(), tmp_path)
    assert 'id="figure-density"' not in text
    assert 'id="features"' not in text
    assert 'id="queries"' in text


def test_without_index_and_run_facts_their_tables_are_left_out(plain_run: RunWorld, tmp_path: Path) -> None:
    models = tuple(replace(model, index=None) for model in plain_run.models)
    text = render(replace(plain_run, models=models, run=RunFacts()).told(), tmp_path)
    for anchor in ("index", "contracts", "stages"):
        assert f'id="table-{anchor}"' not in text


def test_the_same_inputs_give_the_same_page(inputs: ReportInputs, page: Path, tmp_path: Path) -> None:
    assert render(inputs, tmp_path) == page.read_text(encoding="utf-8")


def test_the_same_inputs_give_the_same_tables_and_texts(swept: ReportInputs, swept_page: Path, tmp_path: Path) -> None:
    build_report(swept, ReportSettings(), tmp_path)
    files = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    there = swept_page.parent
    assert files == {path.relative_to(there): path.read_bytes() for path in there.rglob("*") if path.is_file()}


@pytest.mark.parametrize("shown", [1, 3])
def test_as_many_queries_and_features_as_asked_for(inputs: ReportInputs, tmp_path: Path, shown: int) -> None:
    build_report(inputs, ReportSettings(queries_shown=shown, features_shown=shown), tmp_path)
    articles = [a["class"] for a in outline(tmp_path / REPORT_FILE).of("article")]
    assert sum("move" in (name or "") for name in articles) == shown
    assert articles.count("card") == shown * len(inputs.models)
