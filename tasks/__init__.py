"""Prefect tasks, one file a stage."""
