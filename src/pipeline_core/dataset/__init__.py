"""Data sets: one file a source, one registry."""
