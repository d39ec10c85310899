"""The raw embedding, only normalised: the baseline of every other adaptation."""

from collections.abc import Sequence

from pipeline_core.retrieval.adaptations import RAW, Adaptation, Scope, Statistics, Swept, System
from pipeline_core.retrieval.maps import Identity, Map


class Raw(Adaptation):
    """Nothing is done."""

    name, label, method, colour, place = "identity", "raw", "raw", "raw", 0

    def fit(self, system: System, statistics: Statistics) -> tuple[Map, Map]:
        """Fit nothing."""
        return Identity(), Identity()

    def of_analysis(self, scope: Scope) -> Sequence[System]:
        """Return the baseline."""
        return (RAW,)

    def of_place(self, scope: Scope) -> Sequence[System]:
        """Return the baseline."""
        return (RAW,)

    def of_grid(self, scope: Scope, swept: Swept) -> Sequence[System]:
        """Return the baseline."""
        return (RAW,)


MEMBER = Raw()
