"""What a run is called where people look: its models, its data, and what differs from the demo."""

from collections.abc import Iterator
from typing import Any

from prefect.runtime import flow_run

from pipeline_core.config import AnalysisConfig, RunConfig

_SHOWN = 2
_IN_THE_NAME = {"model", "compare_with", "dataset", "placement"}


def run_name() -> str:
    """Return the name of the flow run that is starting, from its parameters."""
    given = flow_run.parameters.get("config") or {}
    config = given if isinstance(given, RunConfig) else AnalysisConfig.model_validate(given)
    return name_of(config.model_copy(update={"compare_with": ()}) if flow_run.flow_name == "analyze" else config)


def name_of(config: RunConfig) -> str:
    """Name a config, e.g. ``reference-mllm on emoji, adaptations.realign.beta=0.2``."""
    data = config.section("dataset")
    where = f" {data.path.name}" if hasattr(data, "path") else ""
    models = " and ".join(model.label for model in config.models)
    usual = AnalysisConfig().model_dump(mode="json", by_alias=True, exclude=_IN_THE_NAME)
    changed = list(_changed(config.model_dump(mode="json", by_alias=True, exclude=_IN_THE_NAME), usual))
    more = [f"{len(changed) - _SHOWN} more"] if len(changed) > _SHOWN else []
    return ", ".join([f"{models} on {data.name}{where}", *changed[:_SHOWN], *more])


def _changed(values: Any, usual: Any, place: str = "") -> Iterator[str]:
    if isinstance(values, dict) and isinstance(usual, dict):
        for field, value in values.items():
            yield from _changed(value, usual.get(field), f"{place}.{field}" if place else field)
    elif isinstance(values, list) and isinstance(usual, list) and len(values) == len(usual):
        for number, (value, before) in enumerate(zip(values, usual, strict=True)):
            yield from _changed(value, before, f"{place}.{number}")
    elif values != usual:
        yield f"{place}={values}"
