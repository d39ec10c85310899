"""The stage ``features``: statistics of an autoencoder's features."""

from pipeline_core.features.settings import FeatureSettings
from pipeline_core.stage import Input, SaeStage, SaeSubject, Work


class Features(SaeStage):
    """Computes energy, modality, bridge, attribution, overlaps and examples."""

    name = "features"
    about = "Measures energy, modality, bridge, attribution, overlaps and examples of every feature."
    version = 2
    settings = FeatureSettings
    inputs = (Input("sae"), Input("codes"), Input("dataset"))
    repetitions = "own"

    def build(self, work: Work[SaeSubject]) -> None:
        """Write the tables of features."""
        from pipeline_core.features.compute import compute_features

        sae, codes, dataset = (work.input(stage) for stage in ("sae", "codes", "dataset"))
        compute_features(sae, codes, dataset, work.settings(FeatureSettings), work.folder)


STAGE = Features()
