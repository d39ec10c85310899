"""The paper's figures and tables: each leads to its counterpart here, or says why there is none."""

import re
from dataclasses import replace
from pathlib import Path

from pipeline_core.report.build import REPORT_FILE, build_report
from pipeline_core.report.claims import judge
from pipeline_core.report.contents import ITEMS, SWEEP, contents
from pipeline_core.report.facts import Facts
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.settings import ReportSettings
from tests.report.test_page import outline
from tests.report.world import RunWorld

NAMES = {f"Figure {n}" for n in range(1, 7)} | {f"Table {n}" for n in (1, 2, 4, 5, 7, 8)}
NAMES |= {"Tables 3 and 9", "Attention maps"}


def links_of(page: Path) -> list[str]:
    """Return the targets of the links in the list of the paper's items."""
    (listed,) = re.findall(r'<ul class="paper-items">(.*?)</ul>', page.read_text(encoding="utf-8"), re.DOTALL)
    return re.findall(r'href="#([\w-]+)"', listed)


def test_every_item_of_the_paper_is_listed() -> None:
    assert {item.name for item in ITEMS} == NAMES
    assert {item.claim for item in ITEMS} == set(range(1, 14))


def test_every_link_leads_somewhere_and_a_sweep_leaves_no_item_without(swept_page: Path) -> None:
    ids = {attributes["id"] for _, attributes in outline(swept_page).elements if "id" in attributes}
    links = links_of(swept_page)
    assert set(links) <= ids
    wanted = {place.anchor for item in ITEMS for place in item.counterparts}
    assert {link for link in links if not link.startswith("claim-")} == wanted


def shown_by_claim(page: Path) -> dict[int, list[str]]:
    """Return the targets of the links beside each verdict."""
    verdicts = re.findall(r'<li class="claim" id="claim-(\d+)">(.*?)</li>', page.read_text(encoding="utf-8"), re.DOTALL)
    beside = {int(number): re.search(r'<p class="shown">(.*?)</p>', own, re.DOTALL) for number, own in verdicts}
    return {number: re.findall(r'href="#([\w-]+)"', found[1]) if found else [] for number, found in beside.items()}


def test_each_claim_leads_to_all_that_shows_it(swept_page: Path) -> None:
    wanted: dict[int, list[str]] = {number: [] for number in range(1, 14)}
    for item in ITEMS:
        wanted[item.claim] += [place.anchor for place in item.counterparts]
    assert shown_by_claim(swept_page) == {number: list(dict.fromkeys(places)) for number, places in wanted.items()}


def test_without_a_sweep_a_claim_leads_only_to_what_there_is(page: Path) -> None:
    ids = {attributes["id"] for _, attributes in outline(page).elements if "id" in attributes}
    shown = shown_by_claim(page)
    assert {place for places in shown.values() for place in places} <= ids
    assert [number for number, places in shown.items() if not places] == [5, 8, 9, 11, 12, 13]


def test_without_a_sweep_its_items_name_the_command(page: Path) -> None:
    ids = {attributes["id"] for _, attributes in outline(page).elements if "id" in attributes}
    assert set(links_of(page)) <= ids
    assert page.read_text(encoding="utf-8").count(f"not in this run: {SWEEP}") == sum(item.swept for item in ITEMS)


def test_what_a_sweep_of_this_model_cannot_hold_says_why(swept_run: RunWorld) -> None:
    other_way = replace(swept_run, models=swept_run.models[::-1], repetitions=()).told()
    with Facts(other_way) as facts:
        rows = {row.item.name: row for row in contents(other_way, judge(facts, other_way), {"table-whitening"})}
    assert rows["Figure 5"].missing.startswith("not measurable here: ")
    assert "this one is contrastive" in rows["Figure 5"].missing
    assert [place.anchor for place in rows["Table 8"].counterparts] == ["table-whitening"]
    assert rows["Table 8"].missing == ""


def test_each_item_has_the_verdict_on_its_claim(swept: ReportInputs) -> None:
    with Facts(swept) as facts:
        verdicts = judge(facts, swept)
    for row in contents(swept, verdicts, ()):
        assert row.claim is verdicts.of(row.item.claim)


def test_without_autoencoders_the_figures_of_features_have_a_reason(plain_run: RunWorld, tmp_path: Path) -> None:
    bare = tuple(replace(model, saes=()) for model in plain_run.models)
    build_report(replace(plain_run, models=bare).told(), ReportSettings(), tmp_path)
    assert "not measurable here: needs numbers that this run does not hold" in (tmp_path / REPORT_FILE).read_text()
