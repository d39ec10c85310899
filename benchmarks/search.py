"""How near is exact search to the matrix product that it needs? Run: python -m benchmarks.search [candidates].

Both score the same queries and candidates, one after the other in each round; printed are medians, and the ratio within
rounds, of seconds and of processor time, which others on the machine disturb less. The product alone is done by blocks
as large as serve it best, and what it gives is thrown away. The search lists the best, and ranks each query's first
relevant candidate over the whole pool.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
import torch

from pipeline_core.activations.vectors import Matrix
from pipeline_core.retrieval.search import search

QUERIES, WIDTH, DEPTHS, ROUNDS = 1_000, 576, (50, 1_000), 9
SIZES = (100_000, 1_000_000)
PRODUCT = 8_192


def unit_vectors(n: int, seed: int) -> Matrix:
    """Draw vectors [n, d] at unit norm, half of it in a common mean."""
    vectors = np.random.default_rng(seed).standard_normal((n, WIDTH), dtype=np.float32) + np.float32(1.0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def product(queries: Matrix, candidates: Matrix) -> None:
    """Multiply, and keep nothing."""
    rows, columns = torch.from_numpy(queries), torch.from_numpy(candidates)
    scores = torch.empty(len(rows), PRODUCT)
    for start in range(0, len(columns), PRODUCT):
        block = columns[start : start + PRODUCT]
        torch.mm(rows, block.T, out=scores if len(block) == PRODUCT else torch.empty(len(rows), len(block)))


def ways(size: int) -> dict[str, Callable[[], object]]:
    """Return what is timed on a pool of a size: the product, and the search at each depth."""
    queries, candidates = unit_vectors(QUERIES, 0), unit_vectors(size, 1)
    answers = np.random.default_rng(2).integers(0, size, QUERIES)
    relevant, nothing = np.stack([np.arange(QUERIES), answers], axis=1), np.empty((0, 2), dtype=np.int64)
    searches = {f"top {depth:,}": partial(search, queries, candidates, relevant, nothing, depth) for depth in DEPTHS}
    return {"product": partial(product, queries, candidates), **searches}


def main() -> None:
    """Print a table for each size of the pool."""
    torch.set_num_threads(2)
    for size in [int(given) for given in sys.argv[1:]] or SIZES:
        timed = ways(size)
        clocks = time.perf_counter, time.process_time
        taken: dict[str, list[list[float]]] = {name: [[] for _ in clocks] for name in timed}
        for _ in range(ROUNDS):
            for name, way in timed.items():
                starts = [clock() for clock in clocks]
                way()
                for own, clock, start in zip(taken[name], clocks, starts, strict=True):
                    own.append(clock() - start)
        print(f"{QUERIES:,} queries, {size:,} candidates x {WIDTH}, medians of {ROUNDS}: seconds, processor time")
        for name, times in taken.items():
            told = ""
            for own, product_alone in zip(times, taken["product"], strict=True):
                ratio = median(one / base for one, base in zip(own, product_alone, strict=True))
                told += f"{median(own):>9.3f} s{ratio:>7.2f}"
            print(f"{name:<12}{told}", flush=True)


if __name__ == "__main__":
    main()
