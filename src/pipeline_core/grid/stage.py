"""The stage ``grid``: layers, poolings, masks and adaptations over stored embeddings."""

from pipeline_core.activations.settings import ActivationsSettings
from pipeline_core.errors import ConfigError
from pipeline_core.grid.settings import GridSettings
from pipeline_core.stage import Input, ModelStage, ModelSubject, Work


class Grid(ModelStage):
    """Scores every stored representation under few adaptations, and the analysed one under all."""

    name = "grid"
    about = "Scores every layer, pooling and mask, and every adaptation of the analysed representation; runs no model."
    version = 5
    settings = GridSettings
    shared = ("representation", "scoring", "adaptations", "activations")
    kinds = ("adaptation",)
    inputs = (Input("dataset"), Input("activations"))
    part = "sweep"
    repetitions = "own"
    scores = True

    def check(self, subject: ModelSubject) -> None:
        """See that the representations that are compared are kept."""
        store = subject.settings(ActivationsSettings).store
        if subject.model.has_tokens and store != "all":
            raise ConfigError(
                f"activations.store is {store}, and lens sweep compares every layer, pooling and mask",
                "set activations.store=all, or use lens run",
            )

    def unkeyed(self, subject: ModelSubject) -> frozenset[str]:
        """Return what decides the stored vectors, which are an input."""
        return frozenset({"activations"})

    def build(self, work: Work[ModelSubject]) -> None:
        """Write systems, scores, ranks and comparisons."""
        from pipeline_core.grid.score import score_grid
        from pipeline_core.retrieval.study import Bench

        score_grid(Bench.of(work), work.settings(GridSettings))


STAGE = Grid()
