"""Mean removal: h - mu, for each side: what is left of ReAlign at full shrinkage, and most of what whitening gains."""

from pipeline_core.retrieval.adaptations import SEPARATE, Adaptation, Statistics, System
from pipeline_core.retrieval.maps import Centring, Map
from pipeline_core.retrieval.spectrum import Spectrum


def mean_removal(spectrum: Spectrum) -> Centring:
    """Fit mean removal: what is left of ReAlign at b = 1."""
    return Centring(spectrum.mean)


class MeanRemoval(Adaptation):
    """Each side's mean is subtracted."""

    name, label, method, colour, place = "mean_removal", "mean removed", "mean removed", "centred", 1
    analysed = SEPARATE
    everywhere = ("support",)

    def fit(self, system: System, statistics: Statistics) -> tuple[Map, Map]:
        """Take the mean of each side."""
        query_side, candidate_side = statistics.sides()
        return mean_removal(query_side), mean_removal(candidate_side)

    def rivals(self, own: System, paper: System) -> bool:
        """In every study, because most of ReAlign's gain is centring."""
        return own.fit_on == paper.fit_on


MEMBER = MeanRemoval()
