"""What does retrieval take on large pools, beside its products, and in how much memory?

Run: python benchmarks/pools.py FOLDER [candidates ...], a folder with room for the pool twice.

Raw, mean removed, ReAlign as in the paper's text and as released, and a subspace removed: fitted, applied and searched
from embeddings on the disk, at 2 GiB for a step, each size in a process of its own. The products are those that cannot
be done without: queries by candidates for each system, sums of outer products, whitening, removal; they are timed on
blocks of the same pool, and scaled.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import torch

from pipeline_core.activations.spilled import Room
from pipeline_core.activations.vectors import load_embeddings
from pipeline_core.retrieval.adaptations import RAW, System
from pipeline_core.retrieval.fitting import TaskVectors
from pipeline_core.retrieval.judgements import Pool
from pipeline_core.retrieval.running import run_systems
from pipeline_core.retrieval.spectrum import BLOCK
from pipeline_core.schema.parquet import write_table
from pipeline_core.threads import limited_threads

QUERIES, WIDTH, RANK, DEPTH, SHARD, MEMORY = 1_000, 576, 48, 50, 50_000, 2 << 30
SIZES, MEASURE = (100_000, 1_000_000), "measure"
REALIGN = {"beta": 0.1, "eps": 1e-5}


def write_pool(folder: Path, size: int) -> None:
    """Write embeddings of candidates, then those of queries of support and test, as one representation."""
    names = [f"candidate{n:08d}" for n in range(size)]
    names += [f"{split}{n:08d}" for split in ("support", "test") for n in range(QUERIES)]
    rng = np.random.default_rng(0)
    for shard, start in enumerate(range(0, len(names), SHARD)):
        own = names[start : start + SHARD]
        vectors = rng.standard_normal((len(own), WIDTH), dtype=np.float32) + np.float32(1.0)
        offsets = np.arange(len(own) + 1, dtype=np.int32) * WIDTH
        lists = pa.ListArray.from_arrays(offsets, pa.array(vectors.reshape(-1)))
        constant = {"rep_id": ["rep"] * len(own), "prompt_id": ["none"] * len(own), "n_tokens": [1] * len(own)}
        write_table(folder, "embeddings", pa.table({"sample_id": own, "vector": lists, **constant}), shard)


def pools(size: int) -> dict[str, Pool]:
    """Return the pool by split: the same candidates, and one of them the answer to each query."""
    candidates = tuple(f"candidate{n:08d}" for n in range(size))
    answers = np.random.default_rng(1).integers(0, size, QUERIES)
    relevant, nothing = np.stack([np.arange(QUERIES), answers], axis=1), np.empty((0, 2), dtype=np.int64)
    asked = {split: tuple(f"{split}{n:08d}" for n in range(QUERIES)) for split in ("support", "test")}
    prompts, ones = ("none",) * QUERIES, np.ones(QUERIES, dtype=np.int64)
    return {
        split: Pool("t2i", split, ids, ids, prompts, candidates, relevant, ones, nothing, ids)
        for split, ids in asked.items()
    }


def systems() -> list[System]:
    """Return what is run."""
    basis = np.linalg.qr(np.random.default_rng(2).standard_normal((WIDTH, RANK)))[0].astype(np.float32)
    return [
        RAW,
        System("mean_removal", "mean_removal", "mean removed", fit_on="candidates"),
        System("realign", "realign", "ReAlign", fit_on="candidates", variant="text", **REALIGN),
        System("released", "realign", "ReAlign as released", fit_on="test_queries", variant="code", **REALIGN),
        System("removal", "removal", "subspace removed", selection="attribution", basis=basis),
    ]


def products(size: int) -> float:
    """Return the seconds of the products of all systems, by what they take on one block."""
    rows, block = torch.randn(QUERIES, WIDTH), torch.randn(BLOCK, WIDTH)
    square, basis, double = torch.randn(WIDTH, WIDTH), torch.randn(WIDTH, RANK), block.double()
    scores, mapped = torch.empty(QUERIES, BLOCK), torch.empty(BLOCK, WIDTH)
    ways: list[tuple[int, Callable[[], object]]] = [
        (5, lambda: torch.mm(rows, block.T, out=scores)),
        (2, lambda: double.T @ double),
        (2, lambda: torch.mm(block, square, out=mapped)),
        (2, lambda: torch.mm(block @ basis, basis.T, out=mapped)),
    ]
    total = 0.0
    for count, way in ways:
        seconds = []
        for _ in range(20):
            start = time.perf_counter()
            way()
            seconds.append(time.perf_counter() - start)
        total += count * median(seconds) * size / BLOCK
    return total


def measure(folder: Path, size: int) -> None:
    """Print one row of the table."""
    with limited_threads(2):
        before = products(size)
        start = time.perf_counter()
        asked = pools(size)
        vectors = TaskVectors(load_embeddings(folder, "rep", Room(MEMORY, folder)), asked, "none")
        opened = time.perf_counter() - start
        run_systems("model", systems(), vectors, asked["test"], DEPTH)
        seconds = time.perf_counter() - start - opened
        needed = (before + products(size)) / 2
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{size:>12,}{opened:>10.1f}{seconds:>10.1f}{needed:>10.1f}{seconds / needed:>8.2f}{peak:>10.2f}", flush=True)


def main() -> None:
    """Print a table, a row a size."""
    folder, *sizes = sys.argv[1:]
    if folder == MEASURE:
        measure(Path(sizes[0]), int(sizes[1]))
        return
    print(f"{QUERIES:,} queries x {WIDTH}, {len(systems())} systems")
    print(f"{'candidates':>12}{'open s':>10}{'run s':>10}{'products':>10}{'ratio':>8}{'peak GiB':>10}", flush=True)
    for size in map(int, sizes or SIZES):
        with TemporaryDirectory(dir=folder) as pool:
            write_pool(Path(pool), size)
            subprocess.run([sys.executable, __file__, MEASURE, pool, str(size)], check=True)  # noqa: S603


if __name__ == "__main__":
    main()
