"""The stage ``retrieval``: every task by the systems of the analysis."""

from pipeline_core.retrieval.settings import RetrievalSettings
from pipeline_core.stage import Input, ModelStage, ModelSubject, Work


class Retrieval(ModelStage):
    """Scores raw, adapted and ablated embeddings of the analysed representation."""

    name = "retrieval"
    about = "Scores every task by raw, adapted and ablated embeddings, with intervals, tests and controls."
    version = 2
    settings = RetrievalSettings
    shared = ("representation", "scoring", "adaptations")
    kinds = ("adaptation",)
    inputs = (Input("dataset"), Input("activations"), Input("sae"), Input("features"))
    repetitions = "own"

    def build(self, work: Work[ModelSubject]) -> None:
        """Write systems, scores, ranks, lists, comparisons, and effects of removal."""
        from pipeline_core.retrieval.evaluate import evaluate
        from pipeline_core.retrieval.study import Bench

        evaluate(Bench.of(work), work.settings(RetrievalSettings))


STAGE = Retrieval()
