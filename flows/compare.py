"""Several models on one data set: each analysed, then one report over all. Tasks are mapped; no flow is nested."""

from prefect import flow

from flows.names import run_name
from flows.prefect_runner import run_flow, task_runner
from pipeline_core.config import AnalysisConfig


@flow(name="compare", task_runner=task_runner(), flow_run_name=run_name, log_prints=False)
def compare(config: AnalysisConfig = AnalysisConfig(), store: str | None = None) -> str:  # noqa: B008 - it is frozen
    """Analyse ``config.model`` and every model of ``config.compare_with``, and report on them together.

    Args:
        config: everything that decides a result.
        store: the store's folder; by default LENS_STORE, or ``store`` below the working folder.

    Returns:
        The run's id.
    """
    return run_flow("compare", config, store)
