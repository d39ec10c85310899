"""Flows: what runs, in which order."""
