"""The verdicts as rows, which page and summary show."""

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline_core.report import build
from pipeline_core.report.claims import claim_tables, judge, read_verdicts
from pipeline_core.report.facts import Facts
from pipeline_core.report.files import read_summary
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.settings import ReportSettings
from pipeline_core.report.verdicts import Verdicts
from pipeline_core.schema.parquet import conform, read_table
from tests.report.judging import PARTS, judged


@pytest.fixture(scope="module")
def verdicts(claim_inputs: ReportInputs) -> Verdicts:
    return judged(claim_inputs)


class TestTables:
    """The verdicts as rows."""

    def test_they_keep_the_schema_and_agree_with_each_other(self, verdicts: Verdicts) -> None:
        tables = claim_tables(verdicts)
        for name, rows in tables.items():
            conform(name, rows)
        claims, parts, cases = (tables[name] for name in ("claims", "claim_parts", "claim_cases"))
        assert claims["claim"].to_list() == list(range(1, 14))
        assert parts.height == len(PARTS)
        outcome = pl.when(pl.col("outcome").n_unique() == 1).then(pl.col("outcome").first()).otherwise(pl.lit("open"))
        counted = cases.group_by("claim", "part", "case").agg(outcome).group_by("claim", "part")
        names = {"n_supporting": "supports", "n_refuting": "refutes", "n_left_out": "left out"}
        counts = counted.agg(**{name: (pl.col("outcome") == told).sum() for name, told in names.items()})
        joined = parts.join(counts, on=["claim", "part"], how="left", suffix="_counted").fill_null(0)
        for name in names:
            assert joined[name].to_list() == joined[f"{name}_counted"].to_list()
        means = cases.filter(pl.col("outcome") != "left out").group_by("claim", "part").agg(mean=pl.col("value").mean())
        measured = parts.join(means, on=["claim", "part"])
        assert measured["value"].to_list() == pytest.approx(measured["mean"].to_list())
        assert (parts["verdict"] == "not measurable here").to_list() == (parts["n_cases"] == 0).to_list()

    def test_the_rule_stands_beside_the_verdict(self, verdicts: Verdicts) -> None:
        for row in claim_tables(verdicts)["claim_parts"].iter_rows(named=True):
            _, part = PARTS[row["part"]]
            for name in ("statistic", "direction", "threshold", "needed", "decides"):
                assert row[name] == getattr(part, name)

    def test_they_tell_the_verdicts(self, claim_inputs: ReportInputs, verdicts: Verdicts) -> None:
        with Facts(claim_inputs) as facts:
            for name, rows in claim_tables(verdicts).items():
                facts.add(name, rows)
            assert read_verdicts(facts, verdicts) == verdicts


def test_claims_are_judged_once_and_the_page_and_the_summary_show_what_the_tables_say(
    inputs: ReportInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def judge_counted(*given: Any) -> Verdicts:
        calls.append(given)
        return judge(*given)

    def other_tables(verdicts: Verdicts) -> dict[str, pl.DataFrame]:
        tables = claim_tables(verdicts)
        only = pl.when(pl.col("claim") == 2)
        tables["claims"] = tables["claims"].with_columns(
            verdict=only.then(pl.lit("refuted")).otherwise("verdict"),
            reason=only.then(pl.lit("So told.")).otherwise("reason"),
        )
        tables["claim_parts"] = tables["claim_parts"].with_columns(
            verdict=only.then(pl.lit("refuted")).otherwise("verdict"), value=only.then(0.12345).otherwise("value")
        )
        tables["claim_cases"] = tables["claim_cases"].with_columns(value=only.then(0.98765).otherwise("value"))
        return tables

    monkeypatch.setattr(build, "judge", judge_counted)
    monkeypatch.setattr(build, "claim_tables", other_tables)
    build.build_report(inputs, ReportSettings(), tmp_path)
    page = (tmp_path / build.REPORT_FILE).read_text(encoding="utf-8")
    told = page[page.index('id="claim-2"') : page.index('id="claim-3"')]
    assert len(calls) == 1
    assert "So told." in told
    assert {"badge refuted"} == set(re.findall(r"badge [\w-]+", told))
    assert {"12.3%", "98.8%"} <= set(re.findall(r"[\d.]+%", told))
    (line,) = (line for line in read_summary(tmp_path) if line.startswith("claim 2 "))
    assert line.startswith("claim 2 refuted: ")
    assert "(12.3%, " in line
    assert "So told." in (tmp_path / "tables" / "claim-02.md").read_text(encoding="utf-8")
    assert read_table(tmp_path, "claims").filter(claim=2)["reason"].item() == "So told."
