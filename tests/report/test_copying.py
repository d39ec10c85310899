"""Tables as text: whatever a cell says comes back from CSV, Markdown and LaTeX as it was."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pipeline_core.report import copying
from pipeline_core.report.claims import judge
from pipeline_core.report.facts import Facts
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.tables import Cell, Heading, ReportTable, analysis_tables, paper_tables
from pipeline_core.report.tables.claim_numbers import claim_table
from pipeline_core.report.tables.table import bounded, count
from pipeline_core.report.text import points, points_interval
from pipeline_core.warehouse.paper import paper_values
from tests.report.artifacts import HOSTILE

NASTY = (
    "a|b",
    "fish & chips",
    "50% of $3",
    "snake_case #1",
    'say "no", twice',
    "two\nlines",
    "text → picture, −0.5 – nothing",
    r"\textbf{x}^2 ~ <y>",
    "*bold* _slanted_ `code` [link](#x) ![picture](#y)",
    "&amp; &lt; &#42;",
    HOSTILE,
    "–",
)
SPECIAL = r"\{}&%$#_~^<>|" + '"'
CELLS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")) | st.just(" "), max_size=20)


def table_of(*texts: str, small: str = "", strong: bool = False) -> ReportTable:
    headings = [Heading("what | is", numeric=False), Heading("the 95% interval", "low & high", numeric=False)]
    return ReportTable("nasty", "A & B", "50% | more", headings, [[Cell("row"), Cell(t, small, strong)] for t in texts])


def read_csv(table: ReportTable) -> pl.DataFrame:
    return pl.read_csv(io.StringIO(copying.csv(table)), infer_schema_length=None)


def all_tables(inputs: ReportInputs) -> list[ReportTable]:
    with Facts(inputs) as facts:
        claims = judge(facts, inputs).claims
        return [*paper_tables(inputs, facts), *analysis_tables(inputs, facts), *map(claim_table, claims)]


def one_line(text: str) -> str:
    return " ".join(text.split())


def read_markdown(text: str) -> list[list[str]]:
    """Return the cells as a reader of Markdown shows them, whatever their emphasis."""
    rows: list[list[str]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows:
            assert {child.type for child in token.children or ()} <= {
                "text",
                "text_special",
                "strong_open",
                "strong_close",
            }
            rows[-1].append("".join(child.content for child in token.children or ()))
    return rows


def read_latex(text: str) -> list[list[str]]:
    """Return the cells as LaTeX prints them."""
    commands = {
        r"\textbackslash{}": "\\",
        r"\textasciitilde{}": "~",
        r"\textasciicircum{}": "^",
        r"\textless{}": "<",
        r"\textgreater{}": ">",
        r"\textbar{}": "|",
        r"\textquotedbl{}": '"',
        r"$\rightarrow$": "→",
        "$-$": "−",
        "--": "–",
    } | {f"\\{character}": character for character in "{}&%$#_"}
    known = re.compile("|".join(re.escape(command) for command in commands))
    body = text.split(r"\toprule" + "\n")[1].split("\n" + r"\bottomrule", maxsplit=1)[0].replace(r"\midrule" + "\n", "")
    return [
        [
            known.sub(lambda match: commands[match[0]], cell)
            for cell in re.split(r"(?<!\\) & ", line.removesuffix(r" \\"))
        ]
        for line in body.split("\n")
    ]


def test_csv_comes_back_through_both_readers() -> None:
    text = copying.csv(table_of(*NASTY))
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[0] == ["what | is", "the 95% interval (low & high)"]
    assert [row[1] for row in rows[1:]] == list(NASTY)
    assert pl.read_csv(io.StringIO(text)).get_column("the 95% interval (low & high)").to_list() == list(NASTY)


def test_markdown_shows_the_same_text() -> None:
    rows = read_markdown(copying.markdown(table_of(*NASTY)))
    assert rows[0] == ["what | is", "the 95% interval (low & high)"]
    assert [row[1] for row in rows[1:]] == [one_line(text) for text in NASTY]


def test_latex_prints_the_same_text() -> None:
    rows = read_latex(copying.latex(table_of(*NASTY)))
    assert rows[0] == ["what | is", "the 95% interval (low & high)"]
    assert [row[1] for row in rows[1:]] == [one_line(text) for text in NASTY]


@pytest.mark.parametrize("character", SPECIAL)
def test_latex_has_no_special_character_bare(character: str) -> None:
    line = next(row for row in copying.latex(table_of(f"a{character}b")).split("\n") if row.startswith("row"))
    cell = line.removeprefix("row & ").removesuffix(r" \\")
    assert not re.search(r"[&%#_~^<>|\"]", re.sub(r"\\[&%#_]", "", cell))
    assert cell.startswith("a\\")
    assert cell.count("{") == cell.count("}") or character in "{}"


def test_latex_is_a_table_of_booktabs_with_as_many_columns_as_headings() -> None:
    table = table_of("1")
    text = copying.latex(replace(table, headings=[table.headings[0], Heading("n")]))
    assert r"\begin{tabular}{lr}" in text
    assert r"\caption{A \& B. 50\% \textbar{} more}" in text
    assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]


def test_small_print_is_in_brackets_and_what_stands_out_does() -> None:
    table = table_of("12.3", small="11.8 to 12.9", strong=True)
    assert "| **12.3 (11.8 to 12.9)** |" in copying.markdown(table)
    assert r"row & \textbf{12.3 (11.8 to 12.9)} \\" in copying.latex(table)
    assert "row,12.3 (11.8 to 12.9)\n" in copying.csv(table)


def test_rows_of_the_paper_come_last() -> None:
    headings = [Heading("a", numeric=False), Heading("b", numeric=False)]
    table = ReportTable("t", "c", "s", headings, [[Cell("1"), Cell("2")]], (), [[Cell("3"), Cell("4")]])
    assert copying.csv(table) == "a,b\n1,2\n3,4\n"
    assert read_markdown(copying.markdown(table)) == [["a", "b"], ["1", "2"], ["3", "4"]]


def test_numbers_are_copied_with_all_digits_that_count_and_their_limits_beside() -> None:
    headings = [Heading("system", numeric=False), Heading("change", "95% interval"), Heading("n")]
    rows = [
        [Cell("a", "b"), bounded(-0.0971234, -0.139, 0.1 + 0.2, points, points_interval), count(12_345)],
        [Cell("c"), Cell("–"), Cell("–")],
        [Cell("d"), Cell("1 to 2", low=0.01, high=0.02), count(0)],
    ]
    table = ReportTable("t", "c", "s", headings, rows)
    assert copying.csv(table).splitlines() == [
        "system,change (95% interval),change (95% interval) low,change (95% interval) high,n",
        "a (b),-0.0971234,-0.139,0.3,12345",
        "c,,,,",
        "d,,0.01,0.02,0",
    ]
    assert "| −9.7 (−13.9 to +30.0) | 12,345 |" in copying.markdown(table)
    assert r"a (b) & $-$9.7 ($-$13.9 to +30.0) & 12,345 \\" in copying.latex(table)


@pytest.mark.parametrize("rows", [[], [[Cell("–")]]])
def test_a_column_of_nothing_has_no_limits(rows: list[list[Cell]]) -> None:
    assert copying.csv(ReportTable("t", "c", "s", [Heading("n")], rows)).splitlines()[0] == "n"


def test_every_numeric_column_of_the_report_reads_as_numbers(swept: ReportInputs, claim_inputs: ReportInputs) -> None:
    for table in (*all_tables(swept), *all_tables(claim_inputs)):
        read = read_csv(table)
        for place, heading in enumerate(table.headings):
            if heading.numeric:
                cells = [row[place] for row in table.all_rows]
                said_only = {c.text for c in cells if c.value is None and c.low is None and c.high is None}
                assert said_only <= {"–"}, (table.anchor, heading)
                kept = read[copying.said(heading)]
                assert kept.null_count() == len(kept) or kept.dtype.is_numeric(), (table.anchor, heading)


def test_the_comparisons_are_those_of_the_sql(inputs: ReportInputs) -> None:
    with Facts(inputs) as facts:
        asked = facts.ask("comparisons").rows
    (table,) = (table for table in all_tables(inputs) if table.anchor == "comparisons")
    read = read_csv(table)
    found = "difference (95% interval)"
    for column, name in ((found, "delta"), (f"{found} low", "low"), (f"{found} high", "high"), ("q (corrected)", "q")):
        assert read[column].dtype == pl.Float64
        assert read[column].to_list() == pytest.approx(asked[name].to_list(), rel=1e-9)


def test_the_papers_recall_is_a_share_as_this_runs_is(claim_inputs: ReportInputs) -> None:
    (table,) = (table for table in all_tables(claim_inputs) if table.anchor == "poolings")
    read = read_csv(table)
    recall = [name for name in read.columns if name.startswith("R@")]
    values = read.select(recall).unpivot()["value"].drop_nulls()
    assert values.max() < 1
    theirs = paper_values().filter(dataset="MSCOCO image->text", setting="last token", quantity="R@10")["value"].max()
    assert round(theirs / 100, 6) in values.to_list()


@given(st.lists(CELLS, min_size=1, max_size=4))
def test_any_text_comes_back(cells: list[str]) -> None:
    table = table_of(*cells)
    wanted = [one_line(text) for text in cells]
    assert [row[1] for row in csv.reader(io.StringIO(copying.csv(table), newline=""))][1:] == cells
    assert [row[1] for row in read_markdown(copying.markdown(table))[1:]] == wanted


def test_every_table_of_the_page_lies_beside_it_as_text(page: Path) -> None:
    written = page.read_text(encoding="utf-8")
    shown = {name: set(re.findall(rf'<pre id="copy-([\w-]+)-{name}"', written)) for name in copying.FORMATS}
    for name, anchors in shown.items():
        assert {f"{anchor}.{name}" for anchor in anchors} == {
            path.name for path in page.parent.glob(f"tables/*.{name}")
        }
    assert shown["csv"] >= {f"claim-{n:02d}" for n in range(1, 14)} | {"zero-shot", "recall-0", "stages"}
