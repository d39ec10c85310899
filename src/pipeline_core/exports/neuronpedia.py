"""Features in the batches of SAEDashboard, ``batch-N.json``, from which Neuronpedia's import is made.

There a feature fires on tokens; here its codes are of whole embeddings. An example is therefore one token, the sample's
text (a picture's is its caption), and its value the code; what tells of logits and neurons is empty.
"""

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipeline_core.codes.reading import load_codes
from pipeline_core.exports._kind import Export
from pipeline_core.library import Run

_SQL = Path(__file__).with_suffix(".sql")
_BATCH = 128
"""Features in a file."""

_BINS = 50
_OF_TOKENS = (
    *("neuron_alignment_indices", "neuron_alignment_values", "neuron_alignment_l1"),
    *("correlated_neurons_indices", "correlated_neurons_l1", "correlated_neurons_pearson"),
    *("correlated_features_indices", "correlated_features_l1", "correlated_features_pearson"),
    *("neg_str", "neg_values", "pos_str", "pos_values", "decoder_weights_dist"),
    *("logits_hist_data_bar_heights", "logits_hist_data_bar_values"),
)
"""Lists that the layout has and that embeddings have nothing for."""


class Neuronpedia(Export):
    """A folder of batches."""

    name = "neuronpedia"
    about = "features with examples and histograms, in SAEDashboard's batches, for Neuronpedia"

    def write(self, run: Run, path: Path, model: str | None = None, sae_id: str | None = None) -> str:
        """Write every feature of one autoencoder."""
        statistics = run.features(sae_id).sort("feature_id")
        chosen, rep_id = statistics.select("sae_id", "rep_id").row(0)
        model_id, _, sae_set = chosen.rpartition("/")
        codes = load_codes(run.artifact(f"codes/{chosen}"), statistics.height).matrix.tocsc()
        with run.warehouse() as connection:
            rows = connection.sql(_SQL.read_text(encoding="utf-8"), params={"sae_id": chosen}).fetchall()
        examples = {feature: list(of_feature) for feature, of_feature in groupby(rows, lambda row: row[0])}
        data = run.record.config["dataset"]["name"]
        shared = {"n_prompts_total": codes.shape[0], "n_tokens_in_prompt": 1, "dataset": data}
        features = [
            {
                "feature_index": feature,
                "activations": [_activation(row) for row in examples.get(feature, ())],
                **_histogram(codes[:, feature].data, codes.shape[0]),
                **{name: [] for name in _OF_TOKENS},
                **shared,
            }
            for feature in statistics["feature_id"]
        ]
        representations = run.table(f"activations/{model_id}", "representations")
        layer = representations.filter(pl.col("rep_id") == rep_id)["layer"].item()
        path.mkdir(parents=True)
        for number, start in enumerate(range(0, len(features), _BATCH)):
            part = features[start : start + _BATCH]
            batch = {"model_id": model_id, "layer": layer, "sae_set": sae_set, "features": part}
            (path / f"batch-{number}.json").write_text(json.dumps(batch, ensure_ascii=False), encoding="utf-8")
        return f"SAEDashboard's neuronpedia export reads the batches of {path}"


def _histogram(values: Sequence[float], n_samples: int) -> dict[str, float | list[float]]:
    heights, edges = np.histogram(values, _BINS)
    centres = np.round((edges[:-1] + edges[1:]) / 2, 3)
    shown = slice(None) if len(values) else slice(0)
    return {
        "frac_nonzero": len(values) / n_samples,
        "freq_hist_data_bar_values": centres[shown].tolist(),
        "freq_hist_data_bar_heights": heights[shown].tolist(),
    }


def _activation(row: Sequence[Any]) -> dict[str, Any]:
    _, modality, text, value, largest = row
    shown = text if modality == "text" else f"[{modality}] {text}"
    return {
        "bin_min": -1,
        "bin_max": largest,
        "bin_contains": -1,
        "qualifying_token_index": 0,
        "tokens": [shown],
        "values": [value],
    }


MEMBER = Neuronpedia()
