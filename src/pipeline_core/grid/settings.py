"""Settings of the grid: what is tried beside the configured adaptations."""

from pydantic import Field

from pipeline_core.settings import Count, Section, Unit


class GridSettings(Section):
    """What the grid tries."""

    betas: tuple[Unit, ...] = Field(
        (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0), min_length=1, description="Shrinkages of ReAlign."
    )
    pca_ranks: tuple[Count, ...] = Field((32, 64, 128, 256), description="Ranks that joint PCA whitening is cut to.")
    layer_average_beta: Unit = Field(
        0.5, description="Shrinkage of ReAlign averaged over the upper half of the layers."
    )
