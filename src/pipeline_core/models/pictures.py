"""A memory of pictures: what a model made of a picture serves every sample that shows it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch

_LIMIT_BYTES = 256 * 1024**2

Compute = Callable[[list[int]], Sequence[torch.Tensor] | None]


class PictureMemory:
    """Features by picture, remembered inside a context; beyond 256 MiB the pictures seen first are forgotten."""

    def __init__(self) -> None:
        self._known: dict[str, torch.Tensor] = {}
        self._remembers = False

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """Keep the features of pictures until the context ends."""
        self._remembers = True
        try:
            yield
        finally:
            self._remembers = False
            self._known.clear()

    def features(self, keys: Sequence[str | None], compute: Compute) -> list[torch.Tensor] | None:
        """Return the features of pictures, computing each picture's once.

        Args:
            keys: identity of each picture; None is like no other.
            compute: returns the features of the pictures at some positions, or None if it cannot.

        Returns:
            One tensor a picture, or None if ``compute`` returned None.
        """
        names = [key or f"unnamed {position}" for position, key in enumerate(keys)]
        new = {name: names.index(name) for name in dict.fromkeys(names) if name not in self._known}
        computed = compute(list(new.values())) if new else []
        if computed is None:
            return None
        found = self._known | dict(zip(new, computed, strict=True))
        if self._remembers:
            self._known |= {key: found[key] for key in keys if key is not None}
            while sum(tensor.nbytes for tensor in self._known.values()) > _LIMIT_BYTES:
                del self._known[next(iter(self._known))]
        return [found[name] for name in names]
