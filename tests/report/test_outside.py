"""A figure of another distribution, in a single file, is on the page with its SQL, and makes the page anew."""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_core.errors import LensError
from pipeline_core.report.build import REPORT_FILE, build_report
from pipeline_core.report.facts import Facts
from pipeline_core.report.figures import FIGURES, in_order
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.settings import ReportSettings
from pipeline_core.schema.parquet import read_table
from tests.report.test_page import outline
from tests.report.world import RunWorld
from tests.sae.outside import installed

PAGE = Path(__file__).parents[2] / "docs" / "adding" / "figure.py"
NAME = "found_by_rank"


@pytest.fixture
def added(tmp_path: Path) -> Iterator[Path]:
    """The page that shows how to add a figure, installed as a module of another distribution."""
    folder = tmp_path / "installed"
    folder.mkdir()
    module = Path(shutil.copy(PAGE, folder / "figure_from_outside.py"))
    with installed(FIGURES, folder, NAME, "figure_from_outside:MEMBER"):
        yield module
    FIGURES._loaded.pop(NAME, None)
    sys.modules.pop("figure_from_outside", None)


def test_it_is_on_the_page_where_it_says_with_its_sql(added: Path, inputs: ReportInputs, tmp_path: Path) -> None:
    build_report(inputs, ReportSettings(), tmp_path)
    page = outline(tmp_path / REPORT_FILE)
    anchors = [figure["id"] for figure in page.of("figure")]
    assert anchors == ["figure-recall", "figure-density", "figure-energy", f"figure-{NAME}"]
    text = (tmp_path / REPORT_FILE).read_text(encoding="utf-8")
    figure = text[text.index(f'id="figure-{NAME}"') :].split("</figure>")[0]
    assert "cross join (values (1), (2), (5), (10), (20)) as places (k)" in figure
    assert len(re.findall(r"<h5>(.*?)</h5>", figure)) == 10
    assert 'class="line line-realign"' in figure
    assert "at 1" in figure


def test_its_numbers_are_those_of_the_ranks(added: Path, plain_run: RunWorld) -> None:
    ranks = read_table(plain_run.studied.retrieval, "retrieval_ranks")
    own = ranks.filter(system_id="reference-mllm/realign", task_id="t2i")["first_relevant_rank"]
    with Facts(plain_run.told()) as facts:
        from figure_from_outside import SQL  # type: ignore[import-not-found]

        rows = facts.answer(SQL, {}).rows
    found = rows.filter(model="reference-mllm", task_type="t->i", method="ReAlign", fit_on="candidates")
    assert dict(found.select("k", "value").iter_rows()) == pytest.approx(
        {k: (own <= k).mean() for k in (1, 2, 5, 10, 20)}
    )


def test_its_sql_may_lie_beside_its_module(added: Path, inputs: ReportInputs, tmp_path: Path) -> None:
    source = added.read_text(encoding="utf-8")
    added.write_text(source.replace("drawing.facts.answer(SQL, {})", "self.ask(drawing.facts)"), encoding="utf-8")
    sql = source.split('SQL = """')[1].split('"""')[0].replace("-- Share", "-- Beside the module: share")
    (added.parent / f"{NAME}.sql").write_text(sql, encoding="utf-8")
    build_report(inputs, ReportSettings(), tmp_path)
    assert "-- Beside the module: share of the test queries" in (tmp_path / REPORT_FILE).read_text(encoding="utf-8")


def test_what_it_draws_of_its_own_has_a_template_beside_its_module(
    added: Path, inputs: ReportInputs, tmp_path: Path
) -> None:
    source = added.read_text(encoding="utf-8")
    drawn = "Charts(tuple(PanelRow(model.name, panels(own)) for model, own in found))"
    assert drawn in source
    added.write_text(source.replace(drawn, '["<script>alert(1)</script>", 0.25]'), encoding="utf-8")
    template = '{% from "figures.html" import sql %}<b class="own">{{ content[0] }} {{ content[1] | percent }}</b>'
    (added.parent / f"{NAME}.html").write_text(template, encoding="utf-8")
    build_report(inputs, ReportSettings(), tmp_path)
    page = (tmp_path / REPORT_FILE).read_text(encoding="utf-8")
    assert '<b class="own">&lt;script&gt;alert(1)&lt;/script&gt; 25.0%</b>' in page


def test_it_is_in_order_and_gone_when_it_is_removed(added: Path) -> None:
    assert [figure.name for figure in in_order()][2:4] == ["energy", NAME]


def test_without_figures_from_outside_nothing_tells_of_them() -> None:
    assert NAME not in FIGURES
    assert FIGURES.identity() is None


def test_a_changed_figure_or_question_is_another_page(added: Path) -> None:
    first = FIGURES.identity()
    added.write_text(PAGE.read_text(encoding="utf-8") + "\n# changed")
    second = FIGURES.identity()
    (added.parent / f"{NAME}.sql").write_text("select 1")
    assert len({first, second, FIGURES.identity()}) == 3
    assert None not in (first, second)


@pytest.mark.parametrize(
    ("section", "fills", "anchor", "heading"),
    [("ranks", False, f"figure-{NAME}", "Ranks"), ("ranks", True, "ranks", "How far down the right answer is")],
)
def test_a_section_that_the_page_has_not_is_added(
    added: Path, inputs: ReportInputs, tmp_path: Path, section: str, fills: bool, anchor: str, heading: str
) -> None:
    figure = FIGURES[NAME]
    figure.section, figure.fills = section, fills
    build_report(inputs, ReportSettings(), tmp_path)
    page = outline(tmp_path / REPORT_FILE)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert {section, anchor} <= set(ids)
    assert len(set(ids)) == len(ids)
    assert "#ranks" in [link["href"] for link in page.of("a")]
    assert re.search(rf'<h2 id="ranks-title">{heading}</h2>', (tmp_path / REPORT_FILE).read_text(encoding="utf-8"))


def test_a_figure_with_nothing_to_draw_is_left_out(
    added: Path, inputs: ReportInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(FIGURES[NAME]), "draw", lambda self, drawing: None)
    build_report(inputs, ReportSettings(), tmp_path)
    assert f"figure-{NAME}" not in (tmp_path / REPORT_FILE).read_text(encoding="utf-8")


def test_one_that_is_not_there_is_told_when_it_is_loaded(tmp_path: Path) -> None:
    with installed(FIGURES, tmp_path, "lost", "no_such_package.figure:MEMBER"):
        assert FIGURES.identity() is not None
        with pytest.raises(LensError, match="the figure 'lost' of lost cannot be loaded"):
            in_order()


def test_one_that_calls_itself_otherwise_is_told(added: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    with (
        installed(FIGURES, folder, "another", "figure_from_outside:MEMBER"),
        pytest.raises(LensError, match="calls itself 'found_by_rank'"),
    ):
        in_order()
