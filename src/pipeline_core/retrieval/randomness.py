"""Random generators named by what they decide, so that one seed gives each choice its own stream."""

import numpy as np


def generator(seed: int, purpose: str) -> np.random.Generator:
    """Return the generator of one purpose, e.g. ``bootstrap/t2i/test``: the same on every machine and in any order."""
    return np.random.default_rng([seed, *purpose.encode()])
