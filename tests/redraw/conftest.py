"""The data sets that are redrawn."""

from tests.dataset.conftest import build, emoji

__all__ = ["build", "emoji"]
