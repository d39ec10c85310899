"""What a run is called where people look: its models, its data, and what differs from the demo."""

from prefect.runtime import flow_run

from pipeline_core.config import AnalysisConfig, RunConfig
from pipeline_core.warehouse.changes import changed, in_short

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
    values = config.model_dump(mode="json", by_alias=True, exclude=_IN_THE_NAME)
    return ", ".join([f"{models} on {data.name}{where}", *in_short(changed(values, usual))])
