"""Architectures of sparse autoencoders: a file each, which owns its settings, arithmetic, learning and tensors."""

from pipeline_core.registry import Registry
from pipeline_core.sae.architectures._kind import Architecture, Sae, SaeSettings, Shapes, TrainedArchitecture

__all__ = ["ARCHITECTURES", "Architecture", "Sae", "SaeSettings", "Shapes", "TrainedArchitecture", "trained"]

ARCHITECTURES: Registry[Architecture] = Registry("sae_architecture", __name__)


def trained(name: str) -> TrainedArchitecture:
    """Return an architecture that autoencoders are trained by here.

    Raises:
        ValueError: there is none of that name, or it is only read.
    """
    known = {one: kind for one, kind in ARCHITECTURES.items() if isinstance(kind, TrainedArchitecture)}
    if name not in known:
        problem = (
            f"the architecture {name} is only read, not trained"
            if name in ARCHITECTURES
            else f"there is no architecture {name!r}"
        )
        raise ValueError(f"{problem}; architecture may be {' or '.join(known)}")
    return known[name]
