"""The parts of the retrieval stage, one after the other, as a stage without a plan has them built."""

from pipeline_core.retrieval.evaluate import is_scored, seal_tasks, task_scorer
from pipeline_core.retrieval.settings import RetrievalSettings
from pipeline_core.retrieval.study import Bench
from pipeline_core.schema.parquet import read_table


def evaluate(bench: Bench, settings: RetrievalSettings) -> None:
    """Score every task, and write the retrieval tables."""
    score_task = task_scorer(bench, settings)
    for number in range(read_table(bench.dataset, "tasks").height):
        assert not is_scored(bench.folder, number)
        score_task(number)
        assert is_scored(bench.folder, number)
    seal_tasks(bench, settings)
