"""The feature tables of one autoencoder on one model's embeddings: reads artifacts, calls the formulas, writes."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl

from pipeline_core.activations.vectors import top_count
from pipeline_core.codes.reading import load_codes
from pipeline_core.features.attribution import attribution
from pipeline_core.features.bridge import BridgePairs, BridgeScores, bridge_blocks, reduce_bridge
from pipeline_core.features.examples import top_examples
from pipeline_core.features.overlap import overlap, random_overlap, top_set
from pipeline_core.features.selection import select_rows
from pipeline_core.features.settings import FeatureSettings
from pipeline_core.features.statistics import (
    Concentration,
    Energies,
    Scores,
    concentration,
    energies,
    energy_curve,
    ranks,
)
from pipeline_core.sae.artifact import load_dictionary
from pipeline_core.schema.parquet import write_table


def compute_features(sae: Path, codes: Path, dataset: Path, settings: FeatureSettings, folder: Path) -> None:
    """Write the tables of features: their statistics, pairs, examples, overlaps and concentration.

    Everything is measured on pictures and texts of train and support, or of test where there is neither, each under its
    modality's own prompt; composed samples are left out. Bridge and attribution take the matched pairs of these. Sums
    are float64.

    Args:
        sae: the artifact with the dictionary.
        codes: the artifact with the codes of the embeddings.
        dataset: the artifact with samples and pairs.
        settings: sizes of sets and lists.
        folder: where to write.

    Raises:
        DataError: these splits hold no picture, no text, or no pair.
    """
    dictionary = load_dictionary(sae).astype(np.float64)
    stored = load_codes(codes, len(dictionary))
    rows = select_rows(stored, dataset)
    image_codes, text_codes = stored.matrix[rows.pair_images], stored.matrix[rows.pair_texts]
    energy = energies(stored.matrix[rows.images], stored.matrix[rows.texts])
    scores, strongest = reduce_bridge(bridge_blocks(image_codes, text_codes, dictionary), settings.pairs_per_feature)
    contribution = attribution(image_codes, text_codes, dictionary)
    concentrated = concentration(energy)
    tables = {
        "features": _features(energy, scores, contribution, settings.share),
        "feature_pairs": _pairs(strongest),
        "feature_examples": pl.concat(
            top_examples(stored, chosen, modality, settings.examples)
            for modality, chosen in (("image", rows.images), ("text", rows.texts))
        ),
        "feature_overlap": _overlaps(energy, scores, contribution, settings.overlap_shares),
        "random_overlap": _random_overlaps(concentrated, settings.overlap_shares),
        "energy_curve": _curve(energy.energy),
        "energy_concentration": pl.DataFrame([asdict(concentrated)]),
    }
    for name, table in tables.items():
        keyed = table.with_columns(sae_id=pl.lit(stored.sae_id), rep_id=pl.lit(stored.rep_id))
        write_table(folder, name, keyed)


def _features(energy: Energies, bridge: BridgeScores, contribution: Scores, share: float) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "feature_id": np.arange(len(contribution)),
            "frequency": energy.frequency,
            "energy": energy.energy,
            "energy_rank": ranks(energy.energy),
            "image_energy": energy.image,
            "text_energy": energy.text,
            "modality": energy.modality,
            "bridge_diagonal": bridge.diagonal,
            "bridge_max": bridge.largest,
            "bridge_abs": bridge.absolute,
            "attribution": contribution,
            "attribution_rank": ranks(contribution),
            "in_top_energy": top_set(energy.energy, share),
            "in_top_bridge": top_set(bridge.absolute, share),
            "in_top_attribution": top_set(contribution, share),
        }
    ).with_columns(pl.col("modality").fill_nan(None))


def _pairs(found: BridgePairs) -> pl.DataFrame:
    return pl.DataFrame({"feature_id": found.rows, "other_id": found.columns, "bridge": found.values})


def _overlaps(energy: Energies, bridge: BridgeScores, contribution: Scores, shares: tuple[float, ...]) -> pl.DataFrame:
    reductions = {"bridge_diagonal": bridge.diagonal, "bridge_max": bridge.largest, "bridge_abs": bridge.absolute}
    return pl.DataFrame(
        [
            {"share": share, "bridge_reduction": name, **asdict(overlap(energy.energy, contribution, reduced, share))}
            for share in shares
            for name, reduced in reductions.items()
        ]
    )


def _random_overlaps(concentrated: Concentration, shares: tuple[float, ...]) -> pl.DataFrame:
    sizes = {share: top_count(share, concentrated.n_features) for share in shares}
    return pl.DataFrame(
        [{"share": share, **asdict(random_overlap(size, concentrated.n_holding))} for share, size in sizes.items()],
        infer_schema_length=None,
    )


def _curve(energy: Scores) -> pl.DataFrame:
    rank = np.arange(1, len(energy) + 1)
    return pl.DataFrame({"rank": rank, "feature_share": rank / len(energy), "energy_share": energy_curve(energy)})
