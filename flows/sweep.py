"""Every claim of the paper, measured: an analysis, sweeps over what it stored, and repetitions with other seeds."""

from prefect import flow

from flows.names import run_name
from flows.prefect_runner import run_flow, task_runner
from pipeline_core.config import AnalysisConfig


@flow(name="sweep", task_runner=task_runner(), flow_run_name=run_name, log_prints=False)
def sweep(config: AnalysisConfig = AnalysisConfig(), store: str | None = None) -> str:  # noqa: B008 - it is frozen
    """Analyse every model of ``config``, sweep layers, poolings, masks, adaptations and removals, and report on all.

    Args:
        config: everything that decides a result; ``config.repetitions`` says how many seeds are tried.
        store: the store's folder; by default LENS_STORE, or ``store`` below the working folder.

    Returns:
        The run's id.
    """
    return run_flow("sweep", config, store)
