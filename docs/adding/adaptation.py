"""How to add an adaptation: every dimension brought to unit variance, each side by itself.

One file. `name` is what tables call it; `label` and `method` are what people read; `place` orders figures and tables.
`analysed` says what every analysis fits it on: its systems are scored, saved, and tested against raw. A map may be one
of `retrieval/maps.py`, or a frozen dataclass of arrays of your own, named in `maps`.
"""

from typing import Any

import numpy as np
from pydantic import Field

from pipeline_core.retrieval.adaptations import Adaptation, Scope, Statistics, System
from pipeline_core.retrieval.maps import Map, Whitening
from pipeline_core.retrieval.spectrum import Spectrum
from pipeline_core.settings import Section


class StandardiseSettings(Section):
    """Standardisation."""

    least: float = Field(1e-6, gt=0.0, description="Least variance of a dimension, in units of the mean variance.")


def standardise(spectrum: Spectrum, least: float) -> Whitening:
    """Fit on the spectrum of one side: subtract the mean, divide each dimension by its standard deviation."""
    variances = np.square(spectrum.eigenvectors) @ spectrum.eigenvalues
    scales = np.maximum(variances, least * spectrum.variance) ** -0.5
    return Whitening(spectrum.mean, np.eye(len(scales), dtype=np.float32), scales, None)


class Standardise(Adaptation):
    """Each dimension at unit variance."""

    name, label, method, place = "standardise", "dimensions at unit variance", "unit variance", 20
    parameters = StandardiseSettings
    analysed = ("candidates",)

    def fit(self, system: System, statistics: Statistics) -> tuple[Map, Map]:
        """Fit each side; `beta`, `eps` and `rank` of a system are there for parameters that SQL should show."""
        assert system.eps is not None
        query_side, candidate_side = statistics.sides()
        return standardise(query_side, system.eps), standardise(candidate_side, system.eps)

    def fields(self, scope: Scope) -> dict[str, Any]:
        """Return the columns of its systems that tell its parameters."""
        own = getattr(scope.settings, self.name)
        assert isinstance(own, StandardiseSettings)
        return {"eps": own.least}


MEMBER = Standardise()
