"""The folder of a user's that holds what can be made again and serves every store: models put together, digests."""

import os
from pathlib import Path


def user_cache(name: str) -> Path:
    """Return the place of one kind of thing in the user's cache; it may not be there yet."""
    home = os.environ.get("XDG_CACHE_HOME")
    return Path(home or Path.home() / ".cache") / "retrieval-lens" / name
