"""Sparse autoencoders: architectures, trainer, checkpoint formats."""
