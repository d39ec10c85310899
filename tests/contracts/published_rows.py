"""Rows of what is published: verdicts on claims, and the warehouse's own tables."""

from typing import Any

from tests.contracts.extracted_rows import Tables

HOLDS, FAILS, MISSING = "holds", "fails", "not measurable here"


def part(claim: int, n_cases: int, n_passed: int, verdict: str, value: float | None) -> dict[str, Any]:
    return {
        "claim": claim,
        "part": "gain",
        "statistic": "what is gained",
        "direction": "above",
        "threshold": 0.0,
        "test": "q",
        "needed": "majority",
        "decides": True,
        "n_cases": n_cases,
        "n_passed": n_passed,
        "verdict": verdict,
        "value": value,
        "paper_value": 0.2,
        "timed": False,
    }


def case(claim: int, name: str, value: float, passed: bool) -> dict[str, Any]:
    return {
        "claim": claim,
        "part": "gain",
        "case": name,
        "repetition": 0,
        "value": value,
        "low": value - 0.1,
        "high": value + 0.1,
        "q": 0.01,
        "passed": passed,
        "timed": False,
    }


REPORT: Tables = {
    "models": [
        {"model": "m", "place": 0, "kind": "generative", "fine_tuned": False, "rendering": "released"},
        {"model": "n", "place": 1, "kind": "contrastive", "fine_tuned": True, "rendering": "none"},
    ],
    "claims": [
        {
            "claim": claim,
            "statement": "It gains.",
            "paper": f"Table {claim}",
            "verdict": {1: HOLDS, 2: FAILS}.get(claim, MISSING),
            "reason": "It gained.",
            "timed": False,
        }
        for claim in range(1, 14)
    ],
    "claim_parts": [
        part(1, 2, 2, HOLDS, 0.3),
        part(2, 2, 1, FAILS, -0.1),
        *(part(claim, 0, 0, MISSING, None) for claim in range(3, 14)),
    ],
    "claim_cases": [
        case(1, "t2i", 0.2, True),
        case(1, "i2t", 0.4, True),
        case(2, "t2i", 0.1, True),
        case(2, "i2t", -0.3, False),
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
