"""Bridge: which picture features meet which text features in matched pairs, B = E_(i,t)[z_i^T z_t] * (D D^T).

The paper gives no reduction of the c x c matrix to one number a feature, and B is not symmetric (rows are features of
the picture's code). Its row sum + column sum is exactly the attribution, so three other reductions are kept.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from pipeline_core.features.statistics import Scores

_ROWS = 256


@dataclass(frozen=True)
class BridgeScores:
    """Reductions [c] of B to one number a feature.

    Attributes:
        diagonal: B_ff.
        largest: max over j != f of max(B_fj, B_jf).
        absolute: sum over j of |B_fj| + |B_jf|.
    """

    diagonal: Scores
    largest: Scores
    absolute: Scores


@dataclass(frozen=True)
class BridgePairs:
    """Entries of B, by row and from the largest |B| down; ties by column."""

    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    values: Scores


def bridge_blocks(
    image_codes: sparse.csr_matrix, text_codes: sparse.csr_matrix, dictionary: npt.NDArray[np.float64]
) -> Iterator[sparse.csr_matrix]:
    """Yield B [c, c] by blocks of rows, sparse: only features that are active together in a pair have an entry.

    Args:
        image_codes: [n, c], the pictures of n pairs.
        text_codes: [n, c], their texts.
        dictionary: D [c, d].

    D D^T is computed a block of rows at a time and read at the entries of the co-activations: many pairs of a wide
    dictionary fill B, of which a block is held.
    """
    pictures = image_codes.T.tocsr()
    for start in range(0, pictures.shape[0], _ROWS):
        block = (pictures[start : start + _ROWS] @ text_codes).tocoo()
        similarity = dictionary[start : start + _ROWS] @ dictionary.T
        block.data *= similarity[block.row, block.col] / image_codes.shape[0]
        yield block.tocsr()


def reduce_bridge(blocks: Iterable[sparse.csr_matrix], a_feature: int) -> tuple[BridgeScores, BridgePairs]:
    """Reduce B [c, c], c > 1, given by blocks of rows, to numbers a feature and the strongest pairs.

    Args:
        blocks: of consecutive rows.
        a_feature: entries of largest |B| that are kept a row, at most.
    """
    rows, columns, values = list[npt.NDArray[np.int64]](), list[npt.NDArray[np.int64]](), list[Scores]()
    diagonal, of_rows, sums, seen = list[Scores](), list[Scores](), list[Scores](), 0
    of_columns, column_sums, met = np.empty(0), np.empty(0), np.empty(0, dtype=np.int64)
    for block in blocks:
        entries, width = block.tocoo(), block.shape[1]
        if not seen:
            of_columns, column_sums, met = np.full(width, -np.inf), np.zeros(width), np.zeros(width, dtype=np.int64)
        row, column, magnitude = entries.row + seen, entries.col, np.abs(entries.data)
        off = row != column
        diagonal.append(block.diagonal(seen))
        sums.append(np.asarray(abs(block).sum(axis=1)).ravel())
        np.add.at(column_sums, column, magnitude)
        largest = np.full(block.shape[0], -np.inf)
        np.maximum.at(largest, entries.row[off], entries.data[off])
        of_rows.append(_with_zeros(largest, np.bincount(entries.row[off], minlength=block.shape[0]), width))
        np.maximum.at(of_columns, column[off], entries.data[off])
        met += np.bincount(column[off], minlength=width)
        kept = _strongest(entries, magnitude, a_feature)
        rows.append(row[kept].astype(np.int64))
        columns.append(column[kept].astype(np.int64))
        values.append(entries.data[kept])
        seen += block.shape[0]
    scores = BridgeScores(
        np.concatenate(diagonal),
        np.maximum(np.concatenate(of_rows), _with_zeros(of_columns, met, seen)),
        column_sums + np.concatenate(sums),
    )
    return scores, BridgePairs(np.concatenate(rows), np.concatenate(columns), np.concatenate(values))


def _with_zeros(largest: Scores, met: npt.NDArray[np.int64], n_features: int) -> Scores:
    # Features that never meet have B = 0, which counts in the maximum; the diagonal must not.
    return np.where(met < n_features - 1, np.maximum(largest, 0.0), largest)


def _strongest(entries: sparse.coo_matrix, magnitude: Scores, a_feature: int) -> npt.NDArray[np.int64]:
    """Return which entries are the largest of each row, at most ``a_feature``, by row and from the largest down."""
    candidates = np.arange(len(magnitude))
    if a_feature < entries.shape[1]:
        # A row may hold as many entries as there are features: only those that can be among the largest are sorted.
        dense = np.zeros(entries.shape)
        dense[entries.row, entries.col] = magnitude
        dense.partition(entries.shape[1] - a_feature, axis=1)
        candidates = np.flatnonzero(magnitude >= dense[entries.row, -a_feature])
    row, column = entries.row[candidates], entries.col[candidates]
    order = np.lexsort((column, -magnitude[candidates], row))
    ranked = row[order]
    place = np.arange(len(ranked)) - np.searchsorted(ranked, ranked)
    kept: npt.NDArray[np.int64] = candidates[order[place < a_feature]]
    return kept
