"""The stage ``doses``: how retrieval responds to the dose of what is removed."""

from pipeline_core.activations.settings import RepresentationSettings
from pipeline_core.doses.settings import DoseSettings
from pipeline_core.retrieval.settings import ScoringSettings
from pipeline_core.stage import Input, ModelStage, ModelSubject, Work


class Doses(ModelStage):
    """Removes features by share, rank, one at a time and cumulatively, and every control as far."""

    name = "doses"
    about = "Removes features by share, rank, one at a time and cumulatively, and every control as far."
    settings = DoseSettings
    shared = ("representation", "scoring", "adaptations")
    kinds = ("adaptation",)
    inputs = (Input("dataset"), Input("activations"), Input("sae"), Input("features"))
    part = "sweep"
    repetitions = "own"

    def build(self, work: Work[ModelSubject]) -> None:
        """Write systems, scores, ranks, comparisons and effects."""
        from pipeline_core.activations.analysed import analysed
        from pipeline_core.doses.measure import measure_doses
        from pipeline_core.retrieval.saes import sae_inputs

        activations = work.input("activations")
        measure_doses(
            activations,
            work.input("dataset"),
            analysed(activations, work.settings(RepresentationSettings)),
            sae_inputs(work.subject.model.name, work.inputs("sae"), work.inputs("features")),
            work.settings(DoseSettings),
            work.settings(ScoringSettings),
            work.section("adaptations"),
            work.folder,
            work.progress,
        )


STAGE = Doses()
