"""Activations: the one hooked pass, its shards, and the shuffled reader."""
