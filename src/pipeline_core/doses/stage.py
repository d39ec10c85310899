"""The stage ``doses``: how retrieval responds to the dose of what is removed."""

from pipeline_core.doses.settings import DoseSettings
from pipeline_core.stage import Input, ModelStage, ModelSubject, Work


class Doses(ModelStage):
    """Removes features by share, rank, one at a time and cumulatively, and every control as far."""

    name = "doses"
    about = "Removes features by share, rank, one at a time and cumulatively, and every control as far."
    version = 4
    settings = DoseSettings
    shared = ("representation", "scoring", "adaptations")
    kinds = ("adaptation",)
    inputs = (Input("dataset"), Input("activations"), Input("sae"), Input("features"))
    part = "sweep"
    repetitions = "own"
    scores = True

    def build(self, work: Work[ModelSubject]) -> None:
        """Write systems, scores, ranks, comparisons and effects."""
        from pipeline_core.doses.measure import measure_doses
        from pipeline_core.retrieval.study import Bench

        measure_doses(Bench.of(work), work.settings(DoseSettings))


STAGE = Doses()
