"""Doses: how retrieval responds to how much is removed from embeddings, beside controls removed as far."""
