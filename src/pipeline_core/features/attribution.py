"""Attribution: what each feature contributes to the similarity of matched pairs."""

import numpy as np
import numpy.typing as npt
from scipy import sparse

from pipeline_core.features.statistics import Scores

_HELD = 1 << 24
"""Numbers of the pairs' reconstructions that are held: all of them a few dimensions at a time."""


def attribution(
    image_codes: sparse.csr_matrix, text_codes: sparse.csr_matrix, dictionary: npt.NDArray[np.float64]
) -> Scores:
    """Return A [c] = E_(i,t)[z_i * (M z_t) + z_t * (M z_i)], M = D D^T, without forming M.

    A_f = E[z_i,f (D_f . h_hat_t) + z_t,f (D_f . h_hat_i)] with h_hat = z D, decoder bias and input centring left out,
    so that sum_f A_f = 2 E<h_hat_i, h_hat_t>.

    Args:
        image_codes: [n, c], the pictures of n pairs.
        text_codes: [n, c], their texts.
        dictionary: D [c, d].
    """
    met = np.empty(dictionary.shape)
    step = max(1, _HELD // image_codes.shape[0])
    for start in range(0, dictionary.shape[1], step):
        some = slice(start, start + step)
        rows = np.ascontiguousarray(dictionary[:, some])
        met[:, some] = image_codes.T @ (text_codes @ rows) + text_codes.T @ (image_codes @ rows)
    return np.asarray(np.einsum("cd,cd->c", met, dictionary) / image_codes.shape[0])
