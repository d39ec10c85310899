"""The stage ``attention``: where a model with attention weights looks."""

from dataclasses import replace

from pipeline_core.attention.settings import AttentionSettings
from pipeline_core.models.settings import ModelSettings
from pipeline_core.stage import Input, ModelStage, ModelSubject, Work


class Attention(ModelStage):
    """Runs the model over chosen samples with weights that it tells."""

    name = "attention"
    about = "Measures attention of chosen samples: mass by layer, head and role, and maps over their pictures."
    version = 2
    settings = AttentionSettings
    inputs = (Input("dataset"), Input("activations"))
    part = "sweep"
    runs_model = True

    def applies(self, subject: ModelSubject) -> bool:
        """Say whether the model has token states, between which there is attention."""
        return subject.model.has_tokens

    def source(self, subject: ModelSubject) -> str:
        """Return what the model is known by."""
        return subject.model.identity

    def build(self, work: Work[ModelSubject]) -> None:
        """Write masses, maps and the quadrant control."""
        from pipeline_core.activations.limits import Limits
        from pipeline_core.attention.measure import measure_attention
        from pipeline_core.models.loading import load_embedder

        # Only eager attention gives its weights.
        eager = replace(work.subject.model, attention="eager")
        placement = work.subject.placement
        where = placement.device, work.cache, placement.device_map
        embedder = load_embedder(work.settings(ModelSettings), eager, *where)
        limits, settings = Limits.read(work.input("activations")), work.settings(AttentionSettings)
        measure_attention(embedder, work.input("dataset"), limits, settings, work.folder, work.progress)


STAGE = Attention()
