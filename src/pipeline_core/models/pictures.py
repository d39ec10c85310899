"""Pictures on their way into a model: which become too large, and a memory of what it made of each."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from pipeline_core.errors import SampleError
from pipeline_core.models.samples import SampleInput

_LIMIT_BYTES = 256 * 1024**2
_MOST_PIXELS = 2**26

Compute = Callable[[list[int]], Sequence[torch.Tensor] | None]


def check_picture(processor: Any, sample: SampleInput) -> None:
    """Refuse a sample whose picture would take gigabytes before it is cropped: the short side decides its size.

    Raises:
        SampleError: it would have more than 67 million pixels.
    """
    size = getattr(processor.image_processor, "size", None) or {}
    if sample.image is None or "shortest_edge" not in size or "longest_edge" in size:
        return
    scale = size["shortest_edge"] / min(sample.image.size)
    width, height = (round(side * scale) for side in sample.image.size)
    if width * height > _MOST_PIXELS:
        raise SampleError(
            sample.sample_id,
            sample.prompt_id,
            f"has a picture of {sample.image.width} x {sample.image.height}, which the model would be given as "
            f"{width:,} x {height:,} pixels",
        )


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
