"""A small real data set, and a config that analyses it with the real reference models in seconds."""

import csv
import shutil
from pathlib import Path

from pipeline_core.config import AnalysisConfig, load_config
from pipeline_core.dataset.emoji_records import read_emoji_records


def picture_folder(folder: Path, n: int = 48) -> Path:
    """Make a folder of pictures with captions: untoned emoji, spread over all categories."""
    folder.mkdir(parents=True)
    records = [record for record in read_emoji_records() if record.tone is None]
    with (folder / "metadata.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file_name", "text"])
        for record in records[:: len(records) // n][:n]:
            shutil.copy(record.picture, folder / record.picture.name)
            rows.writerow([record.picture.name, record.name])
    return folder


SMALL = (
    "sae.features=256",
    "sae.k=8",
    "sae.epochs=2",
    "sae.batch_size=256",
    "sae.checkpoint_steps=2",
    "sae.contrastive={features: 64, k: 4, epochs: 3, batch_size: 16}",
    "features.share=0.05",
    "retrieval.removal_share=0.05",
    "retrieval.bootstrap=100",
    "retrieval.permutations=100",
    "retrieval.single_features=2",
    "sweep.betas=[0.0, 0.1, 0.5, 1.0]",
    "sweep.pca_ranks=[8]",
    "sweep.removal_shares=[0.02, 0.05]",
    "sweep.removal_ranks=[1, 2]",
    "sweep.cumulative_features=2",
    "sweep.single_features=2",
    "sweep.random_draws=2",
    "sweep.repetitions=2",
    "attention.samples=2",
    "attention.quadrant_samples=8",
    "efficiency.candidates=[64, 256]",
    "efficiency.queries=8",
    "extraction.shard_size=16",
    "extraction.batch_size=8",
    "report.features_shown=2",
    "report.queries_shown=2",
    "report.maps_shown=2",
)
"""Settings that make an analysis small."""


def small_config(pictures: Path, *settings: str) -> AnalysisConfig:
    """Return the config of a small analysis of a folder of pictures."""
    return load_config(settings=("dataset.name=folder", f"dataset.path={pictures}", *SMALL, *settings))
