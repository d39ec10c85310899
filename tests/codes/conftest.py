"""Codes are made of the artifacts that the tests of autoencoders make."""

from tests.sae.conftest import activations, dataset

__all__ = ["activations", "dataset"]
