"""Model families: one file each, which alone knows what is peculiar to its models."""

from pipeline_core.models.family import Family
from pipeline_core.registry import Registry

FAMILIES: Registry[Family] = Registry("model_family", __name__)
"""Every family by name."""
