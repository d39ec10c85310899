"""Pictures on their way into a model: which become too large, what it made of each, and a memory of that."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

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


def split_features(output: Any, n_tokens: Sequence[int]) -> Sequence[torch.Tensor] | None:
    """Return each picture's features [parts, tokens, width] of what a picture tower gave.

    Args:
        output: what ``get_image_features`` returned.
        n_tokens: tokens of each picture.

    Returns:
        One tensor a picture, or None if they are not told apart.
    """
    known = {"last_hidden_state", "pooler_output", "hidden_states", "attentions", "deepstack_features"}
    if not known.issuperset(output) or getattr(output, "pooler_output", None) is None:
        return None
    parts = [_rows(part) for part in (output.pooler_output, *(getattr(output, "deepstack_features", None) or ()))]
    if any(part.shape != (sum(n_tokens), parts[0].shape[1]) for part in parts):
        return None
    return [torch.stack(rows) for rows in zip(*(torch.split(part, list(n_tokens)) for part in parts), strict=True)]


def join_features(features: Sequence[torch.Tensor], listed: bool) -> BaseModelOutputWithPooling:
    """Return features as the tower gives them of all pictures together.

    Args:
        features: of each picture, as ``split_features`` returned them.
        listed: the tower gives a list of pictures, not one tensor.
    """
    first = [picture[0] for picture in features]
    output = BaseModelOutputWithPooling(pooler_output=first if listed else torch.cat(first))
    output.deepstack_features = [[picture[n] for picture in features] for n in range(1, len(features[0]))]
    return output


def _rows(features: torch.Tensor | Sequence[torch.Tensor]) -> torch.Tensor:
    """Return features as rows [tokens, width]: they come as one tensor, or as one a picture."""
    if isinstance(features, torch.Tensor):
        return features.reshape(-1, features.shape[-1])
    return torch.cat([picture.reshape(-1, picture.shape[-1]) for picture in features])


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
