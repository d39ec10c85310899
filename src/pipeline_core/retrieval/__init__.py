"""Retrieval: exact search, adaptations, metrics, significance, TREC files."""
