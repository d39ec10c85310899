"""YAML that belongs to the program, such as contracts and rules: read by libyaml, a tenth of the time of Python's."""

from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Packages of PyYAML without libyaml are rare, and read the same."""


def read_program_yaml(text: str) -> Any:
    """Return what a text of the program's own says; what users write is read where its faults are told."""
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 - both are safe loaders
