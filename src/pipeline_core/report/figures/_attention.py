"""What the figures of attention share."""

PAPER_ITEM = "attention visualisation"

SOURCES = {"last": "from the last token", "pooled": "from all pooled tokens"}
"""Whose attention it is."""
