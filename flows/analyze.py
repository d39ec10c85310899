"""One model on one data set: the whole pipeline, ending in a report."""

from prefect import flow

from flows.names import run_name
from flows.prefect_runner import run_flow, task_runner
from pipeline_core.config import AnalysisConfig


@flow(name="analyze", task_runner=task_runner(), flow_run_name=run_name, log_prints=False)
def analyze(config: AnalysisConfig = AnalysisConfig(compare_with=()), store: str | None = None) -> str:  # noqa: B008
    """Analyse ``config.model``; further models in ``compare_with`` are left to the flow compare.

    Args:
        config: everything that decides a result.
        store: the store's folder; by default LENS_STORE, or ``store`` below the working folder.

    Returns:
        The run's id.
    """
    return run_flow("analyze", config.model_copy(update={"compare_with": ()}), store)
