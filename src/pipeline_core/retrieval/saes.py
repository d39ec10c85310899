"""The sparse autoencoders whose features are removed, as artifacts hold them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline_core.dataset.splits import LEARNT, measured_on
from pipeline_core.retrieval.adaptations import Sae
from pipeline_core.sae.artifact import load_dictionary
from pipeline_core.schema.parquet import read_table

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SaeInput:
    """A sparse autoencoder: its id, its artifact, and its features artifact."""

    sae_id: str
    sae: Path
    features: Path

    def read(self) -> Sae:
        """Read what removal needs of it."""
        return Sae(self.sae_id, read_table(self.features, "features"), load_dictionary(self.sae))


def read_saes(saes: Sequence[SaeInput], dataset: Path) -> list[Sae]:
    """Read the autoencoders whose features are removed: none where their features were measured on the test split.

    What is scored on test may not be chosen by it.
    """
    if saes and measured_on(read_table(dataset, "samples", ["split"])["split"]) != LEARNT:
        log.warning("features are measured on test alone, so that none are chosen to be removed")
        return []
    return [sae.read() for sae in saes]
