"""The embedded reference models, as standard transformers classes; importing this package loads no model library."""

from pipeline_core.reference.names import REFERENCE_MODELS, reference_identity, resolve_reference, used_references

__all__ = ["REFERENCE_MODELS", "reference_identity", "resolve_reference", "used_references"]
