"""What do the statistics of a wide dictionary take, in time and memory? Run: python -m benchmarks.features FOLDER.

FOLDER has room for the codes (about 0.4 GB). They are generated: pictures and texts in pairs, of features that differ
in how often they are on. Measured is the stage as it is, in a process of its own, from codes on the disk to tables;
first a cut is compared with the dense formulas. Further arguments: samples, features, width.
"""

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pyarrow as pa
from safetensors.numpy import save_file

from pipeline_core.features.compute import compute_features
from pipeline_core.features.settings import FeatureSettings
from pipeline_core.sae.artifact import load_dictionary
from pipeline_core.schema.parquet import read_table, write_table
from pipeline_core.store.peak import peak_memory
from pipeline_core.threads import limited_threads

WHOLE, ACTIVE = (1_000_000, 32_768, 576), 50
CUT = (2_000, 512, 64)
"""Samples, features and width of what the dense formulas are tried on."""

BLOCK, MEASURE = 8_192, "measure"


def draw(rng: np.random.Generator, n: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw features [n, L0] of samples, ascending and different within each, and their values."""
    ids = np.minimum((features * rng.random((n, ACTIVE + ACTIVE // 2)) ** 2).astype(np.int64), features - 1)
    ids.sort(axis=1)
    again = np.zeros(ids.shape, dtype=bool)
    again[:, 1:] = ids[:, 1:] == ids[:, :-1]
    ids[again] = features
    ids.sort(axis=1)
    return ids[:, :ACTIVE], rng.exponential(1.0, (n, ACTIVE)).astype(np.float16)


def write_inputs(folder: Path, samples: int, features: int, width: int) -> None:
    """Write samples, pairs, codes and a dictionary, as the stages before do."""
    rng = np.random.default_rng(0)
    names = np.array([f"{'it'[n * 2 >= samples]}{n % (samples // 2):07d}" for n in range(samples)])
    half = samples // 2
    table = pl.DataFrame({"sample_id": names, "modality": ["image"] * half + ["text"] * half})
    texts = {name: pl.lit(None, pl.String) for name in ("text", "image_ref", "sha256")}
    sizes = {name: pl.lit(None, pl.Int32) for name in ("width", "height")}
    write_table(folder, "samples", table.with_columns(group="sample_id", split=pl.lit("train"), **texts, **sizes))
    pairs = pl.DataFrame({"image_id": names[:half], "text_id": names[half:]})
    write_table(folder, "pairs", pairs.with_columns(split=pl.lit("train")))
    rows = rng.standard_normal((features, width)).astype(np.float32)
    save_file({"W_dec": rows / np.linalg.norm(rows, axis=1, keepdims=True)}, folder / "sae_weights.safetensors")

    def block(start: int) -> pa.Table:
        own = names[start : start + BLOCK]
        ids, values = draw(rng, len(own), features)
        kept = ids < features
        starts = np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype(np.int32)
        columns = {
            "sae_id": pa.array(["wide/sae"] * len(own)),
            "rep_id": pa.array(["wide"] * len(own)),
            "level": pa.array(["pooled"] * len(own)),
            "sample_id": pa.array(own.tolist()),
            "prompt_id": pa.array(["none"] * len(own)),
            "features": pa.ListArray.from_arrays(starts, pa.array(ids[kept].astype(np.uint32))),
            "values": pa.ListArray.from_arrays(starts, pa.array(values[kept])),
        }
        return pa.table(columns)

    for shard, start in enumerate(range(0, samples, BLOCK)):
        write_table(folder, "codes", block(start), shard)


def compare(folder: Path, samples: int, features: int) -> float:
    """Return the largest difference of the tables from the dense formulas, as a share of the largest value."""
    codes = np.zeros((samples, features))
    for row, (ids, values) in enumerate(read_table(folder, "codes", ["features", "values"]).iter_rows()):
        codes[row, ids] = values
    images, texts = codes[: samples // 2], codes[samples // 2 :]
    rows = load_dictionary(folder).astype(np.float64)
    similarity = rows @ rows.T
    bridge = images.T @ texts / len(images) * similarity
    others = np.where(np.eye(features, dtype=bool), -np.inf, bridge)
    expected = {
        "energy": codes.mean(axis=0),
        "frequency": (codes > 0).mean(axis=0),
        "bridge_diagonal": np.diag(bridge),
        "bridge_max": np.maximum(others.max(axis=0), others.max(axis=1)),
        "bridge_abs": np.abs(bridge).sum(axis=0) + np.abs(bridge).sum(axis=1),
        "attribution": (images * (texts @ similarity) + texts * (images @ similarity)).mean(axis=0),
    }
    table = read_table(folder, "features").sort("feature_id")
    found = [np.abs(table[name].to_numpy() - values).max() / np.abs(values).max() for name, values in expected.items()]
    for modality, own in (("image", images), ("text", texts)):
        best = read_table(folder, "feature_examples").filter(modality=modality, rank=1).sort("feature_id")
        largest = own.max(axis=0)
        found.append(np.abs(best["value"].to_numpy() - largest[largest > 0]).max() / largest.max())
    return float(max(found))


def measure(folder: Path) -> None:
    """Print what the stage takes."""
    with limited_threads(2):
        start = time.perf_counter()
        compute_features(folder, folder, folder, FeatureSettings(), folder)
        seconds = time.perf_counter() - start
    peak = peak_memory() / 2**30
    pairs = read_table(folder, "feature_pairs").height
    print(f"{seconds:.1f} s, peak {peak:.2f} GiB, {pairs:,} pairs of features kept", flush=True)


def main() -> None:
    """Print one line for the cut, and one for the whole."""
    place, *given = sys.argv[1:]
    if place == MEASURE:
        measure(Path(given[0]))
        return
    for size in (CUT, tuple(map(int, given)) or WHOLE):
        with TemporaryDirectory(dir=place) as folder:
            write_inputs(Path(folder), *size)
            print("{:,} samples x {:,} features of width {}, L0 {}".format(*size, ACTIVE), flush=True)
            subprocess.run([sys.executable, __file__, MEASURE, folder], check=True)  # noqa: S603
            if size == CUT:
                print(f"largest difference from dense formulas: {compare(Path(folder), *CUT[:2]):.1e}", flush=True)


if __name__ == "__main__":
    main()
