"""Flows: what runs, in which order."""

from flows import environment

# Prefect reads its settings when it is imported, which every flow does.
environment.prepare()
