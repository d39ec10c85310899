"""The sparse autoencoders whose features are removed, as artifacts hold them."""

from dataclasses import dataclass
from pathlib import Path

from pipeline_core.retrieval.adaptations import Sae
from pipeline_core.sae.artifact import load_dictionary
from pipeline_core.schema.parquet import read_table


@dataclass(frozen=True)
class SaeInput:
    """A sparse autoencoder: its id, its artifact, and its features artifact."""

    sae_id: str
    sae: Path
    features: Path

    def read(self) -> Sae:
        """Read what removal needs of it."""
        return Sae(self.sae_id, read_table(self.features, "features"), load_dictionary(self.sae))
