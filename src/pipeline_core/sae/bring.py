"""An autoencoder that was trained elsewhere becomes an artifact like any other."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from pipeline_core.activations.vectors import embedding_width
from pipeline_core.errors import ModelError
from pipeline_core.sae.formats import Provenance, read_any
from pipeline_core.sae.formats.saelens import MEMBER
from pipeline_core.sae.settings import BroughtSae
from pipeline_core.sae.tokens import hook_name
from pipeline_core.schema import tables_of
from pipeline_core.schema.parquet import write_table


def bring_sae(
    settings: BroughtSae, activations: Path, model_name: str, folder: Path, progress: Callable[[int, int], None]
) -> None:
    """Write weights and cfg.json of a checkpoint in any known format, and the tables of a training, which are empty.

    Args:
        settings: where it is.
        activations: an activations artifact of the model that it is for.
        model_name: the model; with the settings' name it makes the sae_id.
        folder: where to write.
        progress: called with (1, 1) at the end.

    Raises:
        ModelError: it cannot be read, uses what is not supported, or is of another width than the model's embeddings.
    """
    checkpoint = read_any(Path(settings.source), settings.k)
    width, wanted = checkpoint.sae.dictionary.shape[1], embedding_width(activations)
    if width != wanted:
        raise ModelError(
            f"the autoencoder {settings.source} takes vectors of width {width}, those of {model_name} have {wanted}",
            "bring one of this model's analysis layer",
        )
    provenance = Provenance(
        f"{model_name}/{settings.name}",
        model_name,
        hook_name(activations),
        imported_from=settings.source,
        format=checkpoint.format,
        facts=checkpoint.facts,
    )
    MEMBER.write(folder, checkpoint.sae, provenance)
    for table in tables_of("sae"):
        write_table(folder, table.name, pl.DataFrame(table.arrow.empty_table()))
    progress(1, 1)
