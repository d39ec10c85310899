"""What an autoencoder was trained on, and how it does on states of the same data that it has not seen."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from pipeline_core.sae.architectures import Sae, SaeSettings
from pipeline_core.sae.tokens import TokenRows, chosen_batches
from pipeline_core.schema.parquet import write_table


def write_origin(
    sae: Sae, sae_id: str, settings: SaeSettings, activations: Path, rows: TokenRows, folder: Path
) -> None:
    """Write the table ``sae_data``, a row.

    Held-out states are those of other data's validation split: of the data analysed, states of train alone are kept.
    """
    row = {
        "sae_id": sae_id,
        "trained_on": settings.trained_on and settings.trained_on.label,
        "left_out": ", ".join(settings.leave_out),
        "n_samples": rows.n_samples,
        "n_tokens": len(rows.places),
        **_held_out(sae, activations, rows),
    }
    write_table(folder, "sae_data", pl.DataFrame([row]))


def _held_out(sae: Sae, activations: Path, rows: TokenRows) -> dict[str, Any]:
    n_tokens = int(rows.held_out.sum())
    if not n_tokens:
        return {"held_out_tokens": 0, "held_out_fvu": None, "held_out_l0": None}
    width = sae.dictionary.shape[1]
    total, squares, error, active = np.zeros(width), 0.0, 0.0, 0
    with torch.inference_mode():
        for batch in chosen_batches(activations, rows.held_out):
            for vectors in torch.split(torch.from_numpy(batch), 4096):
                codes = sae.encode(vectors)
                error += float((vectors - sae.decode(codes)).double().square().sum())
                active += int((codes.values > 0).sum())
            total += batch.sum(axis=0, dtype=np.float64)
            squares += float(np.square(batch, dtype=np.float64).sum())
    variation = squares - float(np.square(total).sum()) / n_tokens
    return {
        "held_out_tokens": n_tokens,
        "held_out_fvu": error / variation if variation > 0 else None,
        "held_out_l0": active / n_tokens,
    }
