"""The stage ``efficiency``: what adaptation costs beside search."""

from pipeline_core.efficiency.settings import EfficiencySettings
from pipeline_core.retrieval.adaptations.realign import RealignSettings
from pipeline_core.stage import Input, ModelStage, ModelSubject, Work


class Efficiency(ModelStage):
    """Times ReAlign and exact search on vectors of the model's width."""

    name = "efficiency"
    about = "Times ReAlign's fit and application and exact search, by size of the pool, width and number of queries."
    version = 3
    settings = EfficiencySettings
    shared = ("adaptations.realign",)
    inputs = (Input("activations"),)
    part = "sweep"

    def build(self, work: Work[ModelSubject]) -> None:
        """Write times and memory."""
        from pipeline_core.activations.vectors import embedding_width
        from pipeline_core.efficiency.measure import measure_efficiency

        settings = work.settings(EfficiencySettings)
        if not work.subject.model.has_tokens:
            settings = settings.model_copy(update={"widths": ()})
        measure_efficiency(
            work.subject.model.name,
            embedding_width(work.input("activations")),
            settings,
            work.settings(RealignSettings),
            work.folder,
            work.progress,
        )


STAGE = Efficiency()
