"""What do scores, intervals and tests of many queries and systems take, beside a plain pass of numpy over the scores?

Run: python -m benchmarks.judgement [queries [systems]]. Every query is a group of its own, the most work that there is.

The plain pass is the mean of every score of every system. The parts are those of a task in retrieval: scores of ranks,
and of lists, expectation of chance, bootstrap intervals of every mean, permutation tests of each system against one.
"""

import sys
import time
from collections.abc import Callable

import numpy as np

from pipeline_core.retrieval.judgements import Pool
from pipeline_core.retrieval.scoring import Scored, comparison_rows, metric_rows, rank_rows, score
from pipeline_core.retrieval.search import SearchResult
from pipeline_core.retrieval.settings import ScoringSettings
from pipeline_core.store.peak import peak_memory
from pipeline_core.threads import limited_threads

QUERIES, SYSTEMS, CANDIDATES, KS = 100_000, 100, 1_000_000, (1, 5, 10)


def pool(queries: int) -> Pool:
    """Return a task with one answer a query."""
    ids = tuple(f"q{n:07d}" for n in range(queries))
    answers = np.random.default_rng(0).integers(0, CANDIDATES, queries)
    relevant, nothing = np.stack([np.arange(queries), answers], axis=1), np.empty((0, 2), dtype=np.int64)
    candidates = tuple(map(str, range(CANDIDATES)))
    ones, prompts = np.ones(queries, dtype=np.int64), ("none",) * queries
    return Pool("t2i", "test", ids, ids, prompts, candidates, relevant, ones, nothing, ids)


def results(of: Pool, systems: int) -> dict[str, SearchResult]:
    """Return what systems found, each a little better than the one before; lists share their memory."""
    rng, queries = np.random.default_rng(1), len(of.query_ids)
    lists = rng.integers(0, CANDIDATES, (queries, max(KS)))
    scores = np.zeros(lists.shape, dtype=np.float32)
    return {
        f"s{n:03d}": SearchResult(lists, scores, rng.geometric(0.05 + 0.001 * n, queries).astype(np.int64))
        for n in range(systems)
    }


def main() -> None:
    """Print a row a part: seconds, and how many plain passes they are."""
    queries, systems = (int(given) for given in (sys.argv[1:] + [str(QUERIES), str(SYSTEMS)][len(sys.argv) - 1 :]))
    of, settings = pool(queries), ScoringSettings()
    found = results(of, systems)
    pairs = [(name, "s000") for name in found if name != "s000"]
    before, seconds = 0.0, 0.0

    def timed(name: str, way: Callable[[], object]) -> object:
        nonlocal before, seconds
        start = time.perf_counter()
        made = way()
        seconds = time.perf_counter() - start
        before = before or seconds
        peak = peak_memory() / 2**30
        print(f"{name:<28}{seconds:>9.2f} s{seconds / before:>9.1f}{peak:>8.2f} GiB", flush=True)
        return made

    with limited_threads(2):
        scored = score(of, found, KS, found)
        print(
            f"{queries:,} queries, {systems} systems, {settings.bootstrap:,} resamples, {settings.permutations:,} flips"
        )
        timed("plain pass", lambda: [own.mean() for scores in scored.scores.values() for own in scores.values()])
        timed("scores of ranks", lambda: score(of, found, KS, ()))
        again = timed("scores of ranks and lists", lambda: score(of, found, KS, found))
        assert isinstance(again, Scored)
        timed("chance and intervals", lambda: metric_rows(scored, settings))
        timed("tests of all pairs", lambda: comparison_rows(scored, pairs, KS[-1], settings))
        timed("rows of ranks", lambda: rank_rows(scored))


if __name__ == "__main__":
    main()
