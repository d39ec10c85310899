"""Prefect tasks: one generic wrapper around the steps of any stage."""
