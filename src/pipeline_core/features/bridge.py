"""Bridge: which picture features meet which text features in matched pairs, B = E_(i,t)[z_i^T z_t] * (D D^T).

The paper gives no reduction of the c x c matrix to one number a feature, and B is not symmetric (rows are features of
the picture's code). Its row sum + column sum is exactly the attribution, so three other reductions are kept.
"""

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


def bridge_matrix(
    image_codes: sparse.csr_matrix, text_codes: sparse.csr_matrix, dictionary: npt.NDArray[np.float64]
) -> sparse.csr_matrix:
    """Return B [c, c], sparse: only features that are active together in a pair have an entry.

    Args:
        image_codes: [n, c], the pictures of n pairs.
        text_codes: [n, c], their texts.
        dictionary: D [c, d].

    D D^T is computed a block of rows at a time and read at the entries of the co-activations, so that memory grows with
    those and never with c^2.
    """
    pictures = image_codes.T.tocsr()
    blocks = []
    for start in range(0, pictures.shape[0], _ROWS):
        block = (pictures[start : start + _ROWS] @ text_codes).tocoo()
        similarity = dictionary[start : start + _ROWS] @ dictionary.T
        block.data *= similarity[block.row, block.col] / image_codes.shape[0]
        blocks.append(block)
    return sparse.vstack(blocks, format="csr")


def reduce_bridge(bridge: sparse.csr_matrix) -> BridgeScores:
    """Reduce B [c, c], c > 1, to one number a feature."""
    entries = bridge.tocoo()
    off = entries.row != entries.col
    every = np.arange(bridge.shape[0])
    # Features that never meet have B = 0, which counts in the maximum; the diagonal must not.
    others = sparse.csr_matrix(
        (
            np.concatenate([entries.data[off], np.full(len(every), -np.inf)]),
            (np.concatenate([entries.row[off], every]), np.concatenate([entries.col[off], every])),
        ),
        shape=bridge.shape,
    )
    largest = np.maximum(others.max(axis=0).toarray().ravel(), others.max(axis=1).toarray().ravel())
    magnitude = abs(bridge)
    absolute = np.asarray(magnitude.sum(axis=0)).ravel() + np.asarray(magnitude.sum(axis=1)).ravel()
    return BridgeScores(bridge.diagonal(), largest, absolute)


def strongest_pairs(
    bridge: sparse.csr_matrix, a_feature: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Scores]:
    """Return the entries of largest |B| of each row, at most ``a_feature``: rows, columns, values; ties by column."""
    entries = bridge.tocoo()
    order = np.lexsort((entries.col, -np.abs(entries.data), entries.row))
    rows = entries.row[order].astype(np.int64)
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    kept = order[place < a_feature]
    return entries.row[kept].astype(np.int64), entries.col[kept].astype(np.int64), entries.data[kept]
