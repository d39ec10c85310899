"""What a model could not take of a data set: samples that it refused, and texts of which it saw a part."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline_core.activations.vectors import PLAIN_PROMPT
from pipeline_core.schema.parquet import read_table

_KEY = ["sample_id", "prompt_id"]


@dataclass(frozen=True)
class Limits:
    """The limits of one model, as they showed in one extraction.

    Attributes:
        refused: sample_id and prompt_id of what was not embedded.
        long: the same of texts as long as the model takes, or longer, and ``kept``, a digest of what it was shown.
    """

    refused: pl.DataFrame
    long: pl.DataFrame

    @classmethod
    def read(cls, activations: Path) -> "Limits":
        """Read those of an activations artifact.

        Raises:
            StoreError: a table is missing or not readable.
        """
        return cls(read_table(activations, "refused", _KEY), read_table(activations, "long_texts", [*_KEY, "kept"]))

    @classmethod
    def none(cls) -> "Limits":
        """Return those of a model that takes everything as it is."""
        nothing = pl.DataFrame(schema=dict.fromkeys(_KEY, pl.String))
        return cls(nothing, nothing.with_columns(kept=pl.lit(None, pl.String)))

    def marked(self, asked: pl.DataFrame) -> pl.DataFrame:
        """Return a table of samples under instructions with what came of each: ``refused``, and ``kept`` or NULL."""
        plain = PLAIN_PROMPT in {*self.refused["prompt_id"], *self.long["prompt_id"]}
        under = asked.with_columns(prompt_id=pl.lit(PLAIN_PROMPT)) if plain else asked
        refused = self.refused.with_columns(refused=pl.lit(value=True))
        found = under.join(refused, on=_KEY, how="left", maintain_order="left").join(
            self.long, on=_KEY, how="left", maintain_order="left"
        )
        return asked.with_columns(refused=found["refused"].fill_null(value=False), kept=found["kept"])

    def embedded(self, asked: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of such a table that were embedded, in their order."""
        return asked.filter(~self.marked(asked)["refused"])
