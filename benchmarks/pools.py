"""What does retrieval take on large pools, beside its products, and in how much memory?

Run: python -m benchmarks.pools FOLDER [CANDIDATESxWIDTHxQUERIES ...], a folder with room for the pool twice.

Raw, mean removed, ReAlign as in the paper's text and as released, and a subspace removed: fitted, applied and searched
in one pass from embeddings on the disk, at 2 GiB for a step, each size in a process of its own. The products are those
that cannot be done without: queries by candidates for each system, sums of outer products, whitening, removal; they are
timed on blocks of the same width before and after, and scaled. Decompositions, which do not grow with the pool, are
told apart.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import torch

from pipeline_core.activations.spilled import Room
from pipeline_core.activations.vectors import load_embeddings
from pipeline_core.retrieval.adaptations import RAW, System
from pipeline_core.retrieval.fitting import SpectrumCache, TaskVectors
from pipeline_core.retrieval.judgements import Pool
from pipeline_core.retrieval.running import run_systems
from pipeline_core.retrieval.spectrum import BLOCK
from pipeline_core.schema.parquet import write_table
from pipeline_core.store.peak import peak_memory
from pipeline_core.threads import limited_threads

RANK, DEPTH, SHARD, MEMORY = 48, 50, 50_000, 2 << 30
SIZES, MEASURE = ("100000x576x1000", "1000000x576x1000", "200000x3584x200"), "measure"
REALIGN = {"beta": 0.1, "eps": 1e-5}


@dataclass(frozen=True)
class Size:
    """How large a pool is."""

    candidates: int
    width: int
    queries: int

    @classmethod
    def of(cls, told: str) -> "Size":
        """Read one as it is given."""
        return cls(*map(int, told.split("x")))


def write_pool(folder: Path, size: Size) -> None:
    """Write embeddings of candidates, then those of queries of support and test, as one representation."""
    names = [f"candidate{n:08d}" for n in range(size.candidates)]
    names += [f"{split}{n:08d}" for split in ("support", "test") for n in range(size.queries)]
    rng = np.random.default_rng(0)
    for shard, start in enumerate(range(0, len(names), SHARD)):
        own = names[start : start + SHARD]
        vectors = rng.standard_normal((len(own), size.width), dtype=np.float32) + np.float32(1.0)
        offsets = np.arange(len(own) + 1, dtype=np.int32) * size.width
        lists = pa.ListArray.from_arrays(offsets, pa.array(vectors.reshape(-1)))
        constant = {"rep_id": ["rep"] * len(own), "prompt_id": ["none"] * len(own), "n_tokens": [1] * len(own)}
        write_table(folder, "embeddings", pa.table({"sample_id": own, "vector": lists, **constant}), shard)


def pools(size: Size) -> dict[str, Pool]:
    """Return the pool by split: the same candidates, and one of them the answer to each query."""
    queries = size.queries
    candidates = tuple(f"candidate{n:08d}" for n in range(size.candidates))
    answers = np.random.default_rng(1).integers(0, size.candidates, queries)
    relevant, nothing = np.stack([np.arange(queries), answers], axis=1), np.empty((0, 2), dtype=np.int64)
    asked = {split: tuple(f"{split}{n:08d}" for n in range(queries)) for split in ("support", "test")}
    prompts, ones = ("none",) * queries, np.ones(queries, dtype=np.int64)
    return {
        split: Pool("t2i", split, ids, ids, prompts, candidates, relevant, ones, nothing, ids)
        for split, ids in asked.items()
    }


def systems(width: int) -> list[System]:
    """Return what is run."""
    basis = np.linalg.qr(np.random.default_rng(2).standard_normal((width, RANK)))[0].astype(np.float32)
    return [
        RAW,
        System("mean_removal", "mean_removal", "mean removed", fit_on="candidates"),
        System("realign", "realign", "ReAlign", fit_on="candidates", variant="text", **REALIGN),
        System("released", "realign", "ReAlign as released", fit_on="test_queries", variant="code", **REALIGN),
        System("removal", "removal", "subspace removed", selection="attribution", basis=basis),
    ]


def products(size: Size) -> float:
    """Return the seconds of the products of all systems, by what they take on one block."""
    width = size.width
    rows, block = torch.randn(size.queries, width), torch.randn(BLOCK, width)
    square, basis, double = torch.randn(width, width), torch.randn(width, RANK), block.double().numpy()
    scores, mapped = torch.empty(size.queries, BLOCK), torch.empty(BLOCK, width)
    ways: list[tuple[int, Callable[[], object]]] = [
        (5, lambda: torch.mm(rows, block.T, out=scores)),
        (2, lambda: double.T @ double),
        (2, lambda: torch.mm(block, square, out=mapped)),
        (2, lambda: torch.mm(block @ basis, basis.T, out=mapped)),
    ]
    total = 0.0
    for count, way in ways:
        seconds = []
        for _ in range(max(3, 10_000 // width)):
            start = time.perf_counter()
            way()
            seconds.append(time.perf_counter() - start)
        total += count * median(seconds) * size.candidates / BLOCK
    return total


def decompositions(width: int) -> float:
    """Return the seconds of all decompositions: of both sides, as they are and at unit norm."""
    some = np.random.default_rng(0).standard_normal((2 * width, width))
    start = time.perf_counter()
    np.linalg.eigh(some.T @ some)
    return 4 * (time.perf_counter() - start)


def measure(folder: Path, size: Size, before: float, apart: float) -> None:
    """Print one row of the table; ``before`` and ``apart`` are what products and decompositions took before."""
    with limited_threads(2):
        start = time.perf_counter()
        asked, room = pools(size), Room(MEMORY, folder)
        embeddings = load_embeddings(folder, "rep", room)
        vectors = TaskVectors(embeddings, asked, "none", SpectrumCache(embeddings, room))
        opened = time.perf_counter() - start
        run_systems("model", systems(size.width), vectors, asked["test"], DEPTH, room)
        seconds = time.perf_counter() - start - opened
        peak = peak_memory() / 2**30
        needed = (before + products(size)) / 2
    ratio = (seconds - apart) / needed
    told = f"{opened:>9.1f}{seconds:>9.1f}{apart:>9.1f}{needed:>10.1f}{ratio:>8.2f}{peak:>10.2f}"
    print(f"{size.candidates:>12,}{size.width:>7,}{size.queries:>9,}{told}", flush=True)


def main() -> None:
    """Print a table, a row a size."""
    folder, *given = sys.argv[1:]
    if folder == MEASURE:
        measure(Path(given[0]), Size.of(given[1]), *map(float, given[2:]))
        return
    heads = f"{'open s':>9}{'run s':>9}{'decomp.':>9}{'products':>10}{'ratio':>8}{'peak GiB':>10}"
    print(f"{'candidates':>12}{'width':>7}{'queries':>9}{heads}", flush=True)
    for told in given or SIZES:
        size = Size.of(told)
        with TemporaryDirectory(dir=folder) as pool, limited_threads(2):
            write_pool(Path(pool), size)
            # Not in the process whose memory is measured.
            before = str(products(size)), str(decompositions(size.width))
            subprocess.run([sys.executable, __file__, MEASURE, pool, told, *before], check=True)  # noqa: S603


if __name__ == "__main__":
    main()
