"""Rows of what is published: verdicts on claims, and the warehouse's own tables."""

from typing import Any

from tests.contracts.extracted_rows import Tables

HOLDS, REFUTED, MISSING = "holds", "refuted", "not measurable here"


def mean(value: float | None) -> dict[str, Any]:
    interval = {"low": None, "high": None, "p": None} if value is None else {"low": -0.5, "high": 0.5, "p": 0.01}
    return {"value": value, **interval, "detectable": None if value is None else 0.1}


def part(claim: int, outcomes: tuple[int, int, int], verdict: str, value: float | None) -> dict[str, Any]:
    supporting, refuting, left_out = outcomes
    return {
        "claim": claim,
        "part": "gain",
        "statistic": "what is gained",
        "direction": "above",
        "threshold": 0.0,
        "needed": "majority",
        "decides": True,
        "n_cases": supporting + refuting,
        "n_supporting": supporting,
        "n_refuting": refuting,
        "n_left_out": left_out,
        "verdict": verdict,
        "needs": "more" if verdict == MISSING else None,
        **mean(value),
        "paper_value": 0.2,
        "timed": False,
    }


def case(claim: int, name: str, value: float, outcome: str) -> dict[str, Any]:
    return {
        "claim": claim,
        "part": "gain",
        "case": name,
        "repetition": 0,
        "value": value,
        "low": value - 0.1,
        "high": value + 0.1,
        "p": 0.01,
        "q": None if outcome == "left out" else 0.02,
        "detectable": 0.1,
        "outcome": outcome,
        "left_out": "ceiling" if outcome == "left out" else None,
        "timed": False,
    }


REPORT: Tables = {
    "models": [
        {"model": "m", "place": 0, "kind": "generative", "fine_tuned": False, "identity": "a", "rendering": "released"},
        {"model": "n", "place": 1, "kind": "contrastive", "fine_tuned": True, "identity": "b", "rendering": "none"},
    ],
    "claims": [
        {
            "claim": claim,
            "statement": "It gains.",
            "paper": f"Table {claim}",
            "verdict": {1: HOLDS, 2: REFUTED}.get(claim, MISSING),
            "reason": "It gained.",
            "needs": "more" if claim > 2 else None,
            **mean({1: 0.3, 2: -0.1}.get(claim)),
            "timed": False,
        }
        for claim in range(1, 14)
    ],
    "claim_parts": [
        part(1, (2, 0, 1), HOLDS, 0.3),
        part(2, (1, 1, 0), REFUTED, -0.1),
        *(part(claim, (0, 0, 0), MISSING, None) for claim in range(3, 14)),
    ],
    "claim_cases": [
        case(1, "t2i", 0.2, "supports"),
        case(1, "i2t", 0.4, "supports"),
        case(2, "t2i", 0.1, "supports"),
        case(2, "i2t", -0.3, "refutes"),
        case(1, "i2i", 0.0, "left out"),
    ],
}

ARTIFACT = "0123456789abcdef"

WAREHOUSE: Tables = {
    "runs": [
        {
            "run_id": "r1",
            "flow": "analyze",
            "config": "{}",
            "state": "completed",
            "started": None,
            "ended": None,
            "seconds": 1.0,
        }
    ],
    "run_artifacts": [
        {
            "run_id": "r1",
            "name": "dataset",
            "stage": "dataset",
            "artifact": ARTIFACT,
            "repetition": 0,
            "cached": False,
            "seconds": 1.0,
            "data": "",
        }
    ],
    "stages": [
        {
            "artifact": ARTIFACT,
            "stage": "dataset",
            "rows": 1,
            "bytes": 1,
            "seconds": 1.0,
            "peak_memory_bytes": 1,
            "created": None,
        }
    ],
    "contract_results": [
        {
            "artifact": ARTIFACT,
            "table_name": "samples",
            "column_name": "split",
            "expectation": "expect_column_values_to_not_be_null",
            "success": True,
            "severity": "critical",
            "observed": None,
            "reason": "because",
        }
    ],
    "adaptations": [{"adaptation": "oas", "label": "OAS shrinkage", "colour": "rival", "place": 6}],
    "paper_values": [
        {
            "item": "Table 3",
            "model": "CLIP",
            "dataset": "MSCOCO text->image",
            "setting": "base",
            "quantity": "R@5",
            "value": 61.1,
        }
    ],
}
