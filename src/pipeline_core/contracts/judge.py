"""Great Expectations as a judge of data frames: which expectations hold, and what was observed where one does not."""

import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline_core.contracts.suites import Expectation

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 5
"""Offending rows and values that are told."""


class Judge:
    """A Great Expectations context of its own, in memory; one at a time, because the library keeps it in a global."""

    def __init__(self) -> None:
        """Import the library, which takes seconds and 260 MB, so only where tables are validated."""
        # Read at import: without it the library sends usage statistics.
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        import great_expectations as gx  # noqa: PLC0415
        from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: PLC0415

        self._gx = gx
        # This module sets a level of its own, to tell of each temporary folder.
        logging.getLogger(ProgressBarsConfig.__module__).setLevel(logging.WARNING)
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        # One definition for every frame: each that is added writes the whole context anew as YAML, to nowhere.
        tables = context.data_sources.add_pandas("artifact").add_dataframe_asset("table")
        self._rows = tables.add_batch_definition_whole_dataframe("rows")

    def outcomes(
        self, frame: "pd.DataFrame", expectations: Sequence[Expectation], key: Sequence[str]
    ) -> list[tuple[bool, Any]]:
        """Return (success, observed) of each expectation, in order; rows are shown by the columns of ``key``."""
        batch = self._rows.get_batch({"dataframe": frame})
        outcomes = self._validate(batch, expectations, {"result_format": "BASIC"})
        failed = [n for n, (success, _) in enumerate(outcomes) if not success]
        if failed:
            # Offending rows cost a tenfold time to collect, so only broken expectations are asked for them.
            detailed = {
                "result_format": "SUMMARY",
                "unexpected_index_column_names": list(key),
                "partial_unexpected_count": SHOWN,
            }
            again = self._validate(batch, [expectations[n] for n in failed], detailed)
            for n, outcome in zip(failed, again, strict=True):
                outcomes[n] = outcome
        return outcomes

    def _validate(
        self, batch: Any, expectations: Sequence[Expectation], result_format: dict[str, Any]
    ) -> list[tuple[bool, Any]]:
        suite = self._gx.ExpectationSuite(
            name=f"{len(expectations)} expectations",
            expectations=[
                {"type": e.type, "kwargs": e.kwargs, "severity": e.severity, "meta": {"position": n}}
                for n, e in enumerate(expectations)
            ],
        )
        results = batch.validate(suite, result_format=result_format).results
        ordered = sorted(results, key=lambda result: int(result.expectation_config.meta["position"]))
        return [(bool(result.success), _observed(result)) for result in ordered]


def _observed(result: Any) -> Any:
    # One exception is told flat; several are keyed by the metric that raised them.
    info = result.exception_info or {}
    raised = [
        part["exception_message"]
        for part in ([info] if "raised_exception" in info else info.values())
        if part.get("raised_exception")
    ]
    if raised:
        return {"error": raised[0]}
    outcome = result.to_json_dict()["result"]
    if "observed_value" in outcome:
        return outcome["observed_value"]
    seen = {"count": outcome["unexpected_count"]}
    if outcome["unexpected_count"]:
        seen["values"] = outcome["partial_unexpected_list"][:SHOWN]
        seen["rows"] = outcome.get("partial_unexpected_index_list")
    return seen
