"""The stage ``index``: embeddings in LanceDB, raw and realigned."""

from pipeline_core.activations.settings import RepresentationSettings
from pipeline_core.index.settings import LEAST_INDEXED, IndexSettings
from pipeline_core.retrieval.adaptations.realign import RealignSettings
from pipeline_core.retrieval.settings import ScoringSettings
from pipeline_core.stage import Input, Load, ModelStage, ModelSubject, Work


class Index(ModelStage):
    """Indexes what can be found, and measures the index against exact search."""

    name = "index"
    about = "Indexes the embeddings, raw and realigned, and measures the index against exact search."
    version = 3
    settings = IndexSettings
    shared = ("representation", "scoring", "adaptations.realign")
    inputs = (Input("dataset"), Input("activations"))

    def volume(self, subject: ModelSubject, load: Load) -> float:
        """Return what the items take, raw and realigned, and once more each where an index is built."""
        copies = 2 if load.items < LEAST_INDEXED else 4
        return 4.0 * copies * load.items * load.width

    def build(self, work: Work[ModelSubject]) -> None:
        """Write the database, the queries' side of ReAlign, and the index's recall."""
        from pipeline_core.activations.analysed import analysed
        from pipeline_core.activations.spilled import Room
        from pipeline_core.index.build import build_index

        activations = work.input("activations")
        build_index(
            activations,
            work.input("dataset"),
            analysed(activations, work.settings(RepresentationSettings)),
            work.settings(IndexSettings),
            work.settings(ScoringSettings),
            work.settings(RealignSettings),
            work.folder,
            Room(work.subject.placement.memory_bytes, work.folder),
        )


STAGE = Index()
