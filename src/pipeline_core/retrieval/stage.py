"""The stage ``retrieval``: every task by the systems of the analysis."""

from collections.abc import Callable, Sequence

from pipeline_core.retrieval.settings import RetrievalSettings
from pipeline_core.stage import Input, ModelStage, ModelSubject, Partitioned, Work


class Retrieval(Partitioned[ModelSubject, int], ModelStage):
    """Scores raw, adapted and ablated embeddings of the analysed representation; a task is a partition."""

    name = "retrieval"
    about = "Scores every task by raw, adapted and ablated embeddings, with intervals, tests and controls."
    version = 4
    settings = RetrievalSettings
    shared = ("representation", "scoring", "adaptations")
    kinds = ("adaptation",)
    inputs = (Input("dataset"), Input("activations"), Input("sae"), Input("features"))
    repetitions = "own"
    scores = True

    def partitions(self, work: Work[ModelSubject]) -> Sequence[int]:
        """Return the numbers of the tasks, controls among them, in ascending order of id."""
        from pipeline_core.schema.parquet import read_table

        return range(len(read_table(work.input("dataset"), "tasks", ["task_id"])))

    def size(self, partition: int) -> int:
        """Count tasks."""
        return 1

    def is_built(self, work: Work[ModelSubject], partition: int) -> bool:
        """Say whether a task is scored."""
        from pipeline_core.retrieval.evaluate import is_scored

        return is_scored(work.folder, partition)

    def builder(self, work: Work[ModelSubject]) -> Callable[[int, Callable[[int], None]], None]:
        """Read judgements and vectors; what is returned scores one task."""
        from pipeline_core.retrieval.evaluate import task_scorer
        from pipeline_core.retrieval.study import Bench

        score_task = task_scorer(Bench.of(work), work.settings(RetrievalSettings))

        def build(number: int, advance: Callable[[int], None]) -> None:
            score_task(number)
            advance(1)

        return build

    def seal(self, work: Work[ModelSubject], partitions: Sequence[int]) -> None:
        """Write systems, scores, ranks, comparisons, and effects of removal, over all tasks."""
        from pipeline_core.retrieval.evaluate import seal_tasks
        from pipeline_core.retrieval.study import Bench

        seal_tasks(Bench.of(work), work.settings(RetrievalSettings))


STAGE = Retrieval()
