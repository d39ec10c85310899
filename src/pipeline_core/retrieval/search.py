"""Exact cosine search: blocks of queries against all candidates, float32, ties by (score descending, id ascending)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from pipeline_core.activations.vectors import Matrix

Pairs = npt.NDArray[np.int64]
"""Rows (query, candidate) [m, 2], ascending."""

BLOCK_ENTRIES = 1 << 25
"""Scores held at a time."""

NEVER = int(np.iinfo(np.int64).max)
"""Rank of the first relevant candidate where no list can hold one."""

_LAST = 0xFFFFFFFF
_EXCLUDED = torch.iinfo(torch.int64).min


@dataclass(frozen=True)
class SearchResult:
    """Ranked candidates of each query.

    Attributes:
        candidates: rows of the candidates [q, depth], best first; -1 where the pool ran out.
        scores: their cosines [q, depth], float32; NaN where the pool ran out.
        first_relevant_rank: rank, from 1, of the best relevant candidate over the whole pool [q]; 0 if there is none.
    """

    candidates: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    first_relevant_rank: npt.NDArray[np.int64]


def search(queries: Matrix, candidates: Matrix, relevant: Pairs, excluded: Pairs, depth: int) -> SearchResult:
    """Rank all candidates for each query.

    Args:
        queries: [q, d]; the score is the inner product, the cosine of vectors at unit norm.
        candidates: [n, d], in ascending order of id: ties are broken by row.
        relevant: pairs judged relevant.
        excluded: pairs taken out before ranking.
        depth: length of the lists returned, cut to n.
    """
    rows = torch.from_numpy(np.ascontiguousarray(queries))
    columns = torch.from_numpy(np.ascontiguousarray(candidates)).T
    return _by_block(lambda block: rows[block] @ columns, (len(queries), len(candidates)), relevant, excluded, depth)


def rank(scores: Matrix, relevant: Pairs, excluded: Pairs, depth: int) -> SearchResult:
    """Rank all candidates for each query by given scores [q, n], float32; the rest is as in ``search``."""
    rows = torch.from_numpy(scores)
    return _by_block(lambda block: rows[block], (len(scores), scores.shape[1]), relevant, excluded, depth)


def _by_block(
    scores: Callable[[slice], torch.Tensor], shape: tuple[int, int], relevant: Pairs, excluded: Pairs, depth: int
) -> SearchResult:
    n_queries, n_candidates = shape
    step, depth = max(1, BLOCK_ENTRIES // n_candidates), min(depth, n_candidates)
    # Results are written into place: small ones kept between the large blocks would hole the heap, gigabytes in all.
    found = torch.empty((n_queries, depth), dtype=torch.int64)
    cosines = torch.empty((n_queries, depth), dtype=torch.float32)
    first = torch.empty(n_queries, dtype=torch.int64)
    for start in range(0, n_queries, step):
        stop = start + step
        block = slice(start, stop)
        found[block], cosines[block], first[block] = _search_block(
            scores(block), _rows_from(relevant, start, stop), _rows_from(excluded, start, stop), depth
        )
    return SearchResult(found.numpy(), cosines.numpy(), first.numpy())


def _search_block(
    scores: torch.Tensor, relevant: torch.Tensor, excluded: torch.Tensor, depth: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    keys = _keys(scores)
    keys[excluded[:, 0], excluded[:, 1]] = _EXCLUDED
    best, found = torch.topk(keys, depth, dim=1)
    missing = best == _EXCLUDED
    best_relevant = torch.full((len(keys),), _EXCLUDED).scatter_reduce(
        0, relevant[:, 0], keys[relevant[:, 0], relevant[:, 1]], "amax"
    )
    first = 1 + (keys > best_relevant[:, None]).sum(dim=1)
    return (
        found.masked_fill(missing, -1),
        scores.gather(1, found).masked_fill(missing, torch.nan),
        first.masked_fill(best_relevant == _EXCLUDED, 0),
    )


def _keys(scores: torch.Tensor) -> torch.Tensor:
    """Return int64 keys that order as (score, then lower column first): the float's ordered bits above the column's."""
    bits = (scores + 0.0).view(torch.int32)
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).to(torch.int64)
    return (ordered << 32) | (_LAST - torch.arange(scores.shape[1]))


def _rows_from(pairs: Pairs, start: int, stop: int) -> torch.Tensor:
    low, high = np.searchsorted(pairs[:, 0], (start, stop))
    return torch.from_numpy(pairs[low:high] - np.array([start, 0]))
