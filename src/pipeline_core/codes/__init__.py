"""Sparse codes of embeddings."""
