"""What do processes save that prepare inputs ahead of the model? Run: python -m benchmarks.input_processes [cuda].

Photographs are decoded, prepared and embedded, a shard at a time: what a picture costs in either part, and how many
pass in a second where a thread decodes ahead and the rest is done between passes, and where processes do all of it. A
model of a few weights stands for a fast device; beside a real one, which has one core, one process has the other.
"""

import io
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pipeline_core.activations.extract import build_shard
from pipeline_core.activations.opening import decode_samples, read_picture
from pipeline_core.activations.plan import Request, Shard
from pipeline_core.activations.processes import InputProcesses, input_processes
from pipeline_core.activations.settings import ActivationsSettings
from pipeline_core.dataset.images import ImageReader
from pipeline_core.models.embedder import PreparingEmbedder
from pipeline_core.models.facts import describe_model
from pipeline_core.models.loading import load_embedder, load_processor
from pipeline_core.models.settings import ModelSettings
from pipeline_core.placement import Placement
from pipeline_core.reference.names import DUAL
from pipeline_core.threads import limited_threads
from pipeline_core.user_cache import user_cache
from tests.models.tiny import save_siglip

SIZES = ((640, 480), (1600, 1200))
PICTURES, BATCH, ROUNDS = 64, 8, 3


def write_photographs(folder: Path, size: tuple[int, int]) -> None:
    """Write pictures as smooth and as noisy as photographs are, as JPEG, to a data set's folder."""
    draw, files = np.random.default_rng(0), []
    for _ in range(PICTURES):
        rough = Image.fromarray(draw.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize(
            size, Image.Resampling.BICUBIC
        )
        noisy = np.clip(np.asarray(rough, dtype=np.int16) + draw.integers(-12, 13, (size[1], size[0], 3)), 0, 255)
        file = io.BytesIO()
        Image.fromarray(noisy.astype(np.uint8)).save(file, "JPEG", quality=90)
        files.append({"bytes": file.getvalue(), "path": ""})
    pq.write_table(pa.table({"image": files}), folder / "images.parquet", row_group_size=BATCH, compression="none")


def shard() -> Shard:
    """Return the requests of all pictures, in batches."""
    asked = [
        Request(f"p{n}", "image", "image", None, "Summarize the above image in one word:", ref, None, "test")
        for n in range(PICTURES)
        for ref in [f"parquet:images.parquet#{n}"]
    ]
    batches = tuple(tuple(asked[start : start + BATCH]) for start in range(0, PICTURES, BATCH))
    return Shard(0, batches, PICTURES)


def parts(embedder: PreparingEmbedder, dataset: Path) -> dict[str, float]:
    """Return the seconds that all pictures take to prepare, and to embed."""
    representations, took = embedder.representations(None), {"preparing": 0.0, "passes": 0.0}
    with ImageReader(dataset) as reader:
        for batch in shard().batches:
            started = time.perf_counter()
            samples, _ = decode_samples(batch, [read_picture(reader, request) for request in batch])
            prepared = embedder.preparer(samples)
            ready = time.perf_counter()
            embedder.embed_prepared(prepared, representations, ())
            took["preparing"] += ready - started
            took["passes"] += time.perf_counter() - ready
    return took


def measure(name: str, size: tuple[int, int], device: str, counts: Sequence[int | None]) -> None:
    """Time all ways in turn, and print medians.

    Args:
        name: a model that ``load_embedder`` finds.
        size: of the pictures.
        device: where it runs.
        counts: of processes; None: as many as by default.
    """
    settings = ModelSettings(name=name)
    facts = describe_model(settings)
    embedder = load_embedder(settings, facts, device, user_cache("models"))
    assert isinstance(embedder, PreparingEmbedder)
    load = partial(load_processor, settings, facts, user_cache("models"))
    ways: dict[str, InputProcesses | None] = {"a thread decodes": None}
    for count in counts:
        processes = InputProcesses(load, input_processes(Placement(device=device, input_processes=count)))
        processes.serve(embedder)
        ways[f"processes: {processes.count}"] = processes
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        dataset = Path(folder) / "dataset"
        dataset.mkdir()
        write_photographs(dataset, size)
        for n in range(ROUNDS + 1):
            took = parts(embedder, dataset)
            for way, processes in ways.items():
                started, out = time.perf_counter(), Path(tempfile.mkdtemp(dir=folder))
                build_shard(embedder, dataset, ActivationsSettings(), shard(), out, _untold, processes=processes)
                if n:  # the first round warms up
                    seconds[way].append(time.perf_counter() - started)
    told = ", ".join(f"{part} {1e3 * spent / PICTURES:.1f} ms" for part, spent in took.items())
    print(f"{Path(facts.name).name}, {size[0]} x {size[1]} JPEG: {told} a picture")
    print(f"  {'way':<20}{'pictures/s':>10}{'thread / way':>14}   (least to most)")
    for way, times in seconds.items():
        ratios = sorted(one / other for one, other in zip(seconds["a thread decodes"], times, strict=True))
        span = f"({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"  {way:<20}{PICTURES / median(times):>10.1f}{median(ratios):>14.2f}   {span}", flush=True)
    for processes in filter(None, ways.values()):
        processes.close()


def _untold(count: int) -> None:
    pass


def main() -> None:
    """Measure a model of a few weights and a real one, with small and large pictures."""
    device = "cuda" if "cuda" in sys.argv else "cpu"
    with tempfile.TemporaryDirectory() as folder, limited_threads(1):
        few = str(save_siglip(Path(folder) / "few-weights"))
        for size in SIZES:
            measure(few, size, device, (1, 2) if device == "cpu" else (1, 2, 4, None))
            measure(DUAL, size, device, (1,) if device == "cpu" else (1, 2, 4, None))


if __name__ == "__main__":
    main()
