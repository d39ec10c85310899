"""The stages: their order, the version of each one's code, and the modules that a version vouches for.

Raise a version when a stage's output changes for equal inputs; artifacts of the older version are then built anew.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """A stage of the pipeline.

    Attributes:
        name: the stage, also the folder in the store.
        version: part of every fingerprint of the stage.
        module: where the function that builds its artifact lives; a test watches all that this module reaches.
    """

    name: str
    version: int
    module: str


STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage("dataset", 1, "pipeline_core.dataset.registry"),
        Stage("activations", 1, "pipeline_core.activations.extract"),
        Stage("sae", 1, "pipeline_core.sae.trainer"),
        Stage("codes", 1, "pipeline_core.codes.encode"),
        Stage("features", 1, "pipeline_core.features.compute"),
        Stage("retrieval", 1, "pipeline_core.retrieval.evaluate"),
        Stage("sweep", 1, "pipeline_core.retrieval.sweep"),
        Stage("removal", 1, "pipeline_core.retrieval.dose"),
        Stage("index", 1, "pipeline_core.index.build"),
        Stage("attention", 1, "pipeline_core.attention.measure"),
        Stage("efficiency", 1, "pipeline_core.efficiency.measure"),
        Stage("report", 1, "pipeline_core.report.build"),
    )
}
"""Every stage by name, in the order of the pipeline."""
