"""The rules of the verdicts: each part has its query, and quotes the paper's own figures."""

import re
from importlib import resources

import polars as pl
import pytest

from pipeline_core.report import claims as module
from pipeline_core.report.claim_rules import Part, load_claims
from pipeline_core.report.facts import Facts
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.warehouse.paper import paper_values

PARTS = {part.part: part for claim in load_claims() for part in claim.parts}


class TestRules:
    """claims.yaml, and the queries that belong to it."""

    def test_there_are_thirteen_claims_and_each_part_has_one_name(self) -> None:
        assert [claim.claim for claim in load_claims()] == list(range(1, 14))
        assert len(PARTS) == sum(len(claim.parts) for claim in load_claims())
        assert all(any(part.decides for part in claim.parts) for claim in load_claims())

    def test_every_part_has_its_query(self) -> None:
        files = (resources.files("pipeline_core.report") / "sql" / "claims").iterdir()
        queries = {f"claims/{path.name.removesuffix('.sql')}": path.read_text(encoding="utf-8") for path in files}
        assert set(queries) == {part.question for part in PARTS.values()}
        for name, part in PARTS.items():
            assert set(re.findall(r"\$(\w+)", queries[part.question])) == set(part.values), name

    def test_a_query_of_the_sweep_says_that_it_needs_one(self) -> None:
        for path in (resources.files("pipeline_core.report") / "sql" / "claims").iterdir():
            sql = path.read_text(encoding="utf-8")
            swept = any(f"'{study}'" in sql for study in ("layers", "poolings", "adaptations", "removal"))
            swept |= "from latest.efficiency" in sql or "from latest.attention" in sql
            needs = next((line for line in sql.splitlines() if line.startswith(module._NEEDS)), "")
            assert ("lens sweep" in needs) == swept, path.name
            assert ("generative" in needs) == ("kind = 'generative'" in sql), path.name
            both = "kind = 'contrastive'" in sql and "kind = 'generative'" in sql
            assert (", contrastive" in needs) == both, path.name
            assert ("support queries" in needs) == ("'realign'" in sql and "'identity'" not in sql), path.name
            assert ("train or support" in needs) == path.name.startswith("removal"), path.name

    @pytest.mark.parametrize("field", ["wording", "Unit"])
    def test_unknown_fields_are_refused(self, field: str) -> None:
        with pytest.raises(ValueError, match=field):
            Part.model_validate(PARTS["overlap"].model_dump() | {field: "points"})

    @pytest.mark.parametrize(
        ("unit", "value", "threshold", "written", "asked"),
        [
            ("points", 0.0912, -0.05, "+9.1 points", "above −5 points"),
            ("points", -0.0912, 0.0, "−9.1 points", "above 0 points"),
            ("share", 0.0666, 0.1, "6.7%", "above 10%"),
            ("ratio", 0.6402, 1.5, "0.64", "above 1.5"),
            ("number", 0.213675, 0.0, "0.214", "above 0"),
        ],
    )
    def test_numbers_are_written_in_the_unit(
        self, unit: str, value: float, threshold: float, written: str, asked: str
    ) -> None:
        part = PARTS["few_features"].model_copy(update={"unit": unit, "threshold": threshold, "direction": "above"})
        assert part.written(value) == written
        assert part.asked == f"{asked} with q < 0.05, in every case"


PRINTED = paper_values().filter(pl.col("misprint").is_null())


def printed(**fields: str) -> pl.DataFrame:
    return PRINTED.filter(**fields)


def gain(item: str, after: str, before: str) -> float:
    """Mean difference of two settings at R@5 of the same model and data set, as a share."""
    rows = printed(item=item, quantity="R@5").pivot("setting", index=["model", "dataset"], values="value")
    return float((rows[after] - rows[before]).mean()) / 100


def triple_overlap() -> float:
    rows = printed(item="Table 1", quantity="triple_overlap")
    contrastive = pl.col("model").is_in(["CLIP", "SigLIP2"])
    return float(rows.filter(~contrastive)["value"].mean()) - float(rows.filter(contrastive)["value"].mean())


def zero_shot_gain() -> float:
    rows = printed(item="Table 3").pivot("setting", index=["model", "dataset"], values="value").drop_nulls()
    assert rows.height == 64
    return float((rows["ReAlign"] - rows["base"]).mean()) / 100


def against_fine_tuned() -> float:
    rows = printed(item="Table 4").pivot("setting", index="dataset", values="value", aggregate_function="max")
    assert rows.height == 3
    return float((rows["ReAlign"] - rows["fine-tuned"]).mean()) / 100


def cost() -> float:
    rows = printed(item="Table 7", quantity="time (ms)").pivot("setting", index="model", values="value")
    return float((rows["ReAlign"] / rows["similarity search"]).mean())


RECOMPUTED = {
    "few_features": lambda: float(printed(item="Figure 3")["value"].mean()) / 100,
    "overlap": triple_overlap,
    "removal_raises": lambda: gain("Table 2", "top-attribution concepts removed", "base"),
    "realign_everywhere": zero_shot_gain,
    "beats_zca": lambda: gain("Table 8", "ReAlign", "ZCA"),
    "beats_pca": lambda: gain("Table 8", "ReAlign", "PCA"),
    "cost": cost,
    "rivals_fine_tuned": against_fine_tuned,
    "beats_last": lambda: gain("Table 5", "mean", "last token"),
    "beats_max": lambda: gain("Table 5", "mean", "max"),
    "beats_min": lambda: gain("Table 5", "mean", "min"),
}


def test_what_the_paper_has_for_the_parts_is_worked_out_without_misprints(inputs: ReportInputs) -> None:
    with Facts(inputs) as facts:
        found = dict(facts.ask("paper/claimed").rows.iter_rows())
    assert found == pytest.approx({name: recompute() for name, recompute in RECOMPUTED.items()})
    assert set(found) <= set(PARTS)
