"""What does a sweep over 11 values of beta cost, against one value? Fit and transform; search left out.

Run: python -m benchmarks.beta_sweep
"""

import time
from collections.abc import Sequence
from statistics import median

import numpy as np

from pipeline_core.activations.vectors import Matrix
from pipeline_core.retrieval.adaptations.realign import realign, sweep_beta
from pipeline_core.retrieval.spectrum import BLOCK, spectrum

N_CANDIDATES, N_QUERIES, WIDTH = 20_000, 1_000, 576
BETAS = tuple(n / 10 for n in range(11))
EPS = 1e-5
REPEATS = 5


def one_by_one(queries: Matrix, candidates: Matrix, betas: Sequence[float]) -> None:
    """Whiten for each beta by its own matrix, from one spectrum a side."""
    sides = spectrum(queries), spectrum(candidates)
    for beta in betas:
        realign(sides[0], beta, EPS).apply(queries)
        realign(sides[1], beta, EPS).apply(candidates)


def swept(queries: Matrix, candidates: Matrix, betas: Sequence[float]) -> None:
    """Whiten for all betas by one projection a side."""
    sides = sweep_beta(queries, spectrum(queries), spectrum(candidates), betas, EPS)
    for start in range(0, len(candidates), BLOCK):
        for _ in sides.candidates(candidates[start : start + BLOCK]):
            pass


def main() -> None:
    """Time both ways alternately and print medians, with the ratio to one value."""
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((WIDTH, WIDTH)) * np.geomspace(1.0, 0.01, WIDTH)
    queries, candidates = (
        (rng.standard_normal((n, WIDTH)) @ mixing + 10.0).astype(np.float32) for n in (N_QUERIES, N_CANDIDATES)
    )
    ways = {
        "one value (baseline)": (one_by_one, (0.1,)),
        "one value, by sweep": (swept, (0.1,)),
        "11 values, one by one": (one_by_one, BETAS),
        "11 values, by sweep": (swept, BETAS),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(REPEATS):
        for name, (way, betas) in ways.items():
            start = time.perf_counter()
            way(queries, candidates, betas)
            seconds[name].append(time.perf_counter() - start)
    baseline = median(seconds["one value (baseline)"])
    print(f"{N_CANDIDATES:,} candidates and {N_QUERIES:,} queries x {WIDTH}, median of {REPEATS}")
    print(f"{'way':<24}{'seconds':>10}{'ratio':>8}")
    for name, times in seconds.items():
        print(f"{name:<24}{median(times):>10.3f}{median(times) / baseline:>8.2f}")


if __name__ == "__main__":
    main()
