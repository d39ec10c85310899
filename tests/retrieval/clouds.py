"""Random vectors shaped as embeddings are, for the tests of what is fitted on them."""

import numpy as np

D = 12


def embedding_like(seed: int, n: int = 80, offset: float = 20.0) -> np.ndarray:
    """Vectors [n, D] whose mean holds nearly all of their norm, as a generative model's embeddings do."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((D, D)) * np.geomspace(3, 0.1, D)
    return (rng.standard_normal((n, D)) @ mixing + offset * rng.standard_normal(D)).astype(np.float32)


def cosines(queries: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Inner products [q, n] of vectors at unit norm, in float64."""
    return queries.astype(np.float64) @ candidates.astype(np.float64).T
