"""Architectures of sparse autoencoders: a file each, which owns its settings, arithmetic, learning and tensors."""

from pipeline_core.registry import Registry
from pipeline_core.sae.architectures._kind import Architecture, Sae, SaeSettings, Shapes

__all__ = ["ARCHITECTURES", "Architecture", "Sae", "SaeSettings", "Shapes"]

ARCHITECTURES: Registry[Architecture] = Registry("sae_architecture", __name__)
