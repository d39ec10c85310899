"""ReAlign whose two whitened spaces are turned onto each other by Gaussian optimal transport, without pairs or labels.

Whitening each side by itself leaves it free to turn: both clouds are round, whichever way they lie. With the shrunk
covariances S_q of queries and S_c of candidates and the singular value decomposition S_c^(1/2) S_q^(1/2) = U L V^T,
take the rotation R = U V^T, and

    queries     e = R S_q^(-1/2) (x - mu_q)
    candidates  e = S_c^(-1/2) (y - mu_c).

Then S_c^(1/2) R S_q^(-1/2) is the map A of Gaussian optimal transport (Monge's) from queries to candidates,

    A = S_q^(-1/2) (S_q^(1/2) S_c S_q^(1/2))^(1/2) S_q^(-1/2),

the only symmetric positive definite one with A S_q A = S_c: a query is moved among the candidates as little as can be,
and whitened as one of them. Proof: the inner root is (V L^2 V^T)^(1/2) = V L V^T, and, S_c^(1/2) being symmetric,
S_c^(1/2) = (U L V^T S_q^(-1/2))^T = S_q^(-1/2) V L U^T, so that S_c^(1/2) U V^T = S_q^(-1/2) V L V^T. Where S_q and S_c
commute, S_c^(1/2) S_q^(1/2) is itself symmetric and positive, and R = I: ReAlign.

The map is that of Olkin and Pukelsheim, Linear Algebra and its Applications 48 (1982).
"""

from collections.abc import Sequence

import numpy as np

from pipeline_core.retrieval.adaptations import SEPARATE, Adaptation, Scope, Statistics, Swept, System, fitted
from pipeline_core.retrieval.adaptations.realign import realign, realign_settings
from pipeline_core.retrieval.maps import Map, Whitening
from pipeline_core.retrieval.spectrum import RELATIVE_EPS, Spectrum


def transport(
    query_side: Spectrum, candidate_side: Spectrum, beta: float, eps: float = RELATIVE_EPS
) -> tuple[Whitening, Whitening]:
    """Fit the queries' and the candidates' whitening, the queries' with the rotation.

    Args:
        query_side: of the queries' raw vectors.
        candidate_side: of the candidates'.
        beta: shrinkage of both covariances, 0 to 1.
        eps: added to the shrunk eigenvalues of each side, in units of its own tr(S)/d.

    Raises:
        DataError: all vectors of a side are equal.
    """
    queries = realign(query_side, beta, query_side.relative_eps(eps))
    candidates = realign(candidate_side, beta, candidate_side.relative_eps(eps))
    # In the two eigenbases the roots are diagonal, the inverses of the whitenings' scales.
    between = candidate_side.eigenvectors.T @ query_side.eigenvectors
    left, _, right = np.linalg.svd(between / candidates.scales[:, None] / queries.scales)
    back = (candidate_side.eigenvectors @ (left @ right)).astype(np.float32)
    return Whitening(queries.mean, queries.basis, queries.scales, back), candidates


class Transport(Adaptation):
    """Both sides are whitened, and the queries turned."""

    name, label, method, place = "transport", "optimal transport", "optimal transport", 7

    def fit(self, system: System, statistics: Statistics) -> tuple[Map, Map]:
        """Fit both sides at once."""
        assert system.beta is not None
        return transport(*statistics.sides(), system.beta)

    def of_grid(self, scope: Scope, swept: Swept) -> Sequence[System]:
        """Return it at ReAlign's shrinkage and at a larger one; under joint statistics there is nothing to turn."""
        betas = sorted({realign_settings(scope.settings).beta, swept.layer_average_beta})
        return [
            fitted(f"transport-b{beta:g}", self.name, f"{self.label}, beta {beta:g}", fit_on, beta=beta)
            for beta in betas
            for fit_on in SEPARATE
        ]


MEMBER = Transport()
