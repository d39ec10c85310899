"""What adaptation costs beside search: wall time and peak memory of ReAlign's fit and use, and of two searches.

Vectors are synthetic, because few data sets have a million of them; the arithmetic is the same for any values.
"""

import ctypes
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl
import psutil
import torch

from pipeline_core.activations.vectors import Matrix
from pipeline_core.efficiency.settings import EfficiencySettings
from pipeline_core.memory import available_memory
from pipeline_core.retrieval.adaptations.realign import RealignSettings, realign
from pipeline_core.retrieval.maps import unit
from pipeline_core.retrieval.randomness import generator
from pipeline_core.retrieval.search import Pairs, search
from pipeline_core.retrieval.spectrum import decomposed, moments
from pipeline_core.retrieval.tiles import InMemory
from pipeline_core.schema.parquet import write_table

log = logging.getLogger(__name__)

_SEED = 0
_SHARED = 0.95
"""Share of a synthetic vector's norm that lies in the common mean, as in embeddings of generative models."""

_DEPTH = 10
_REPEATS = 3
_LARGE = 5_000_000
"""From this many numbers in a pool on, once is enough: an operation lasts seconds, and start-up no longer counts."""

_PLAIN = 100_000_000
"""Up to this many scores the plain product is measured too: it grows as their number does."""

_SAMPLING_SECONDS = 0.002
_WORKING_MEMORY = 2 << 30
"""Bytes allowed for the blocks that operations work in."""

_LIBC = ctypes.CDLL(None)
_NO_PAIRS: Pairs = np.empty((0, 2), dtype=np.int64)

Result = TypeVar("Result")


@dataclass(frozen=True)
class Cost:
    """Wall time in seconds, the best of the repeats; highest resident memory above that before, bytes."""

    seconds: float
    peak_memory_bytes: int


def measure_efficiency(
    model: str,
    width: int,
    settings: EfficiencySettings,
    paper: RealignSettings,
    folder: Path,
    progress: Callable[[int, int], None],
) -> None:
    """Write the table ``efficiency``: the cost of each operation by size of the pool, width and queries.

    ``fit`` takes ReAlign's statistics of the candidates, of which ``decompose`` is the part that does not grow with
    them; ``apply`` whitens them all. ``search`` ranks the raw ones at unit norm, ``product`` is the least that a search
    can do: a matrix product and the best few of each row, measured where it takes seconds. Further queries and widths
    are measured at one size of the pool. A pool that memory has no room for is left out, with a warning.

    Args:
        model: the model whose vectors have this width.
        width: dimensions of a vector.
        settings: sizes of the pool, numbers of queries, further widths.
        paper: ReAlign's parameters.
        folder: the artifact's folder.
        progress: called with (operations done, operations).

    Raises:
        DataError: a pool of one vector, which has no covariance.
    """
    sizes = sizes_that_fit(settings.candidates, width, available_memory())
    swept_at = max((n for n in sizes if n <= settings.swept_at), default=sizes[0])
    all_queries = sorted({settings.queries, *settings.more_queries})
    conditions = [(width, n, all_queries if n == swept_at else [settings.queries]) for n in sizes]
    conditions += [(further, swept_at, all_queries) for further in settings.widths if further != width]
    rows = []
    for done, (d, n, n_queries) in enumerate(conditions, start=1):
        for operation, queries, cost in _costs(n, d, n_queries, paper):
            key = {"model": model, "operation": operation, "n_candidates": n, "width": d}
            rows += [key | {"n_queries": asked} | asdict(cost) for asked in queries]
        progress(done, len(conditions))
    write_table(folder, "efficiency", pl.DataFrame(rows))


def sizes_that_fit(sizes: Sequence[int], width: int, available: int) -> list[int]:
    """Return the sizes, ascending, whose vectors and one adapted copy of them fit in ``available`` bytes.

    The smallest is always among them: an operation that fails for want of memory says more than an empty table.
    """
    smallest, *larger = sorted(set(sizes))
    fitting = [smallest]
    for n in larger:
        needed = 2 * n * width * np.dtype(np.float32).itemsize + _WORKING_MEMORY
        if needed <= available:
            fitting.append(n)
        else:
            log.warning(
                "efficiency: %d candidates need %.1f GiB and %.1f are free; left out",
                n,
                needed / 2**30,
                available / 2**30,
            )
    return fitting


def synthetic_vectors(n: int, width: int, purpose: str) -> Matrix:
    """Return vectors [n, width] around one mean that holds most of their norm; fewer are the first of more."""
    mean = unit(generator(_SEED, "efficiency/mean").standard_normal((1, width), dtype=np.float32))
    vectors = generator(_SEED, f"efficiency/{purpose}").standard_normal((n, width), dtype=np.float32)
    vectors *= math.sqrt((1.0 - _SHARED**2) / width)
    vectors += np.float32(_SHARED) * mean
    return vectors


def measured(operation: Callable[[], Result], repeats: int) -> tuple[Result, Cost]:
    """Run an operation ``repeats`` times; return its last result, the best time and the highest memory.

    Memory is the process's resident memory, sampled every 2 ms by a thread. What the process has freed but kept would
    not count when it is used again; glibc, where it is the C library, is asked to give it back first.
    """
    seconds, peak = math.inf, 0
    for _ in range(repeats):
        with _PeakMemory() as memory:
            started = time.perf_counter()
            result = operation()
            seconds = min(seconds, time.perf_counter() - started)
        peak = max(peak, memory.risen)
    return result, Cost(seconds, peak)


def _costs(
    n: int, width: int, n_queries: Sequence[int], paper: RealignSettings
) -> Iterator[tuple[str, Sequence[int], Cost]]:
    """Yield each operation, the numbers of queries that its cost goes for, and the cost."""
    repeats = 1 if n * width >= _LARGE else _REPEATS
    vectors = synthetic_vectors(n, width, "candidates")
    found, sums = measured(lambda: moments(vectors), repeats)
    side, decomposition = measured(lambda: decomposed(found), repeats)
    whitening = realign(side, paper.beta, paper.eps)
    peak = max(sums.peak_memory_bytes, decomposition.peak_memory_bytes)
    yield "fit", n_queries, Cost(sums.seconds + decomposition.seconds, peak)
    yield "decompose", n_queries, decomposition
    yield "apply", n_queries, measured(lambda: whitening.apply(vectors), repeats)[1]
    vectors = unit(vectors)
    for asked in n_queries:
        queries = unit(synthetic_vectors(asked, width, "queries"))
        exact = partial(search, queries, vectors, _NO_PAIRS, _NO_PAIRS, _DEPTH)
        yield "search", (asked,), measured(exact, repeats)[1]
        if n * asked <= _PLAIN:
            plain = partial(best_of_product, queries, vectors, _DEPTH)
            yield "product", (asked,), measured(plain, repeats)[1]


def best_of_product(queries: Matrix, candidates: Matrix, depth: int) -> torch.Tensor:
    """Return the rows [q, depth] of the candidates with the largest inner products, however ties fall."""
    rows, columns = torch.from_numpy(queries), torch.from_numpy(candidates).T
    blocks = torch.split(rows, max(1, InMemory.size // len(candidates)))
    return torch.cat([torch.topk(block @ columns, min(depth, len(candidates)), dim=1).indices for block in blocks])


class _PeakMemory:
    """Samples this process's resident memory while its block runs; ``risen`` is the peak above the start, bytes."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.risen = 0

    def __enter__(self) -> "_PeakMemory":
        if hasattr(_LIBC, "malloc_trim"):
            _LIBC.malloc_trim(0)
        self._before = self._resident()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._sample()

    def _watch(self) -> None:
        while not self._done.wait(_SAMPLING_SECONDS):
            self._sample()

    def _sample(self) -> None:
        self.risen = max(self.risen, self._resident() - self._before)

    def _resident(self) -> int:
        return int(self._process.memory_info().rss)
