"""A small real data set, and a config that analyses it with the real reference models in seconds."""

import csv
import shutil
from pathlib import Path

from pipeline_core.config import AnalysisConfig, load_config
from pipeline_core.dataset.sources.emoji.records import read_emoji_records

WHOLE = {"queries_of": None, "candidates_of": None, "unanswered": 0}
"""What a row of ``tasks`` says of a task that is asked whole."""


def picture_folder(folder: Path, n: int = 48) -> Path:
    """Make a folder of pictures with captions: untoned emoji, spread over all categories."""
    folder.mkdir(parents=True, exist_ok=True)
    records = [record for record in read_emoji_records() if record.tone is None]
    with (folder / "metadata.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file_name", "text"])
        for record in records[:: len(records) // n][:n]:
            shutil.copy(record.picture, folder / record.picture.name)
            rows.writerow([record.picture.name, record.name])
    return folder


_TOKENS = "features: 256, k: 8, epochs: 2, batch_size: 256"

SMALL = (
    f"sae=[{{name: paper, {_TOKENS}}}, {{name: centred, centred: true, {_TOKENS}}}, "
    "{name: paper, states: vectors, features: 64, k: 4, epochs: 3, batch_size: 16}]",
    "features.share=0.05",
    "adaptations.removal.share=0.05",
    "scoring.bootstrap=100",
    "scoring.permutations=100",
    "retrieval.single_features=2",
    "grid.betas=[0.0, 0.1, 0.5, 1.0]",
    "grid.pca_ranks=[8]",
    "doses.shares=[0.02, 0.05]",
    "doses.ranks=[1, 2]",
    "doses.cumulative_features=2",
    "doses.single_features=2",
    "doses.random_draws=2",
    "repetitions=2",
    "attention.samples=2",
    "attention.quadrant_samples=8",
    "efficiency.candidates=[64, 256]",
    "efficiency.queries=8",
    "efficiency.widths=[16]",
    "placement.threads=1",
    "placement.shard_size=16",
    "placement.batch_size=8",
    "placement.checkpoint_steps=2",
    "report.features_shown=2",
    "report.queries_shown=2",
    "report.maps_shown=2",
)
"""Settings that make an analysis small."""


def small_config(pictures: Path, *settings: str) -> AnalysisConfig:
    """Return the config of a small analysis of a folder of pictures."""
    return load_config(settings=("dataset.name=folder", f"dataset.path={pictures}", *SMALL, *settings))
