"""What training sees of a picture: frozen vision features of a few views, computed once and kept in memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image

from pipeline_core.reference.vision import EfficientNetLiteModel, picture_processor

Progress = Callable[[str, int, int], None]
"""Called with (what, done, total) as work advances."""

_VISION_BATCH = 16
_CANVAS = 224


class NamedPicture(Protocol):
    """A picture with its name, as the emoji records give it."""

    @property
    def code(self) -> str:
        """Unique name of the picture."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def keywords(self) -> tuple[str, ...]:
        """Further words for it; may be empty."""

    @property
    def family(self) -> str:
        """Unit of the split: its members look or read alike."""

    @property
    def tone(self) -> str | None:
        """Skin tone."""

    @property
    def picture(self) -> Path:
        """The image file."""

    @property
    def split(self) -> str:
        """One of train, support, validation, test."""


@dataclass(frozen=True)
class PictureViews:
    """Vision features of n pictures under v views; view 0 is the picture as it is, the others are augmented.

    Attributes:
        tokens: half [n, v, 16, 1280].
        pooled: half [n, v, 1280], the mean of the whole grid.
    """

    tokens: torch.Tensor
    pooled: torch.Tensor

    def draw(self, rows: Sequence[int], generator: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return float32 tokens [b, 16, 1280] and pooled features [b, 1280] of one random view a row."""
        views = torch.from_numpy(generator.integers(self.tokens.shape[1], size=len(rows)))
        index = torch.as_tensor(rows)
        return self.tokens[index, views].float(), self.pooled[index, views].float()

    def plain(self, rows: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return float32 tokens [b, 16, 1280] and pooled features [b, 1280] of the unaugmented view."""
        index = torch.as_tensor(rows)
        return self.tokens[index, 0].float(), self.pooled[index, 0].float()


def augment(picture: Image.Image, generator: np.random.Generator) -> Image.Image:
    """Return the art scaled, turned a little and shifted on a white or lightly tinted square of 224 pixels.

    Never mirrored: names tell directions, clocks and letters.
    """
    white = generator.random() < 0.5
    tint = (255, 255, 255) if white else tuple(int(channel) for channel in generator.integers(205, 256, size=3))
    side = int(_CANVAS * generator.uniform(0.62, 1.0))
    art = picture.convert("RGBA").resize((side, side), Image.Resampling.BICUBIC)
    art = art.rotate(generator.uniform(-8, 8), Image.Resampling.BICUBIC)
    left, top = (int(offset) for offset in generator.integers(0, _CANVAS - side + 1, size=2))
    canvas = Image.new("RGBA", (_CANVAS, _CANVAS), (*tint, 255))
    canvas.alpha_composite(art, (left, top))
    return canvas.convert("RGB")


@torch.inference_mode()
def compute_views(
    pictures: Sequence[NamedPicture], tower: EfficientNetLiteModel, *, augmented: int, seed: int, progress: Progress
) -> PictureViews:
    """Run the frozen tower over every picture as it is and over `augmented` random views of it."""
    processor = picture_processor()
    views = 1 + augmented
    tokens = torch.empty((len(pictures), views, 16, tower.config.hidden_size), dtype=torch.float16)
    pooled = torch.empty((len(pictures), views, tower.config.hidden_size), dtype=torch.float16)
    for start in range(0, len(pictures), _VISION_BATCH):
        rows = range(start, min(start + _VISION_BATCH, len(pictures)))
        images = []
        for row in rows:
            generator = np.random.default_rng((seed, row))
            with Image.open(pictures[row].picture) as picture:
                images += [picture.convert("RGBA"), *(augment(picture, generator) for _ in range(augmented))]
        for first in range(0, len(images), _VISION_BATCH):
            batch = processor(images[first : first + _VISION_BATCH], return_tensors="pt")
            output = tower(batch["pixel_values"])
            place = torch.arange(first, first + len(output.pooler_output))
            tokens[start + place // views, place % views] = output.last_hidden_state.half()
            pooled[start + place // views, place % views] = output.pooler_output.half()
        progress("vision features", rows[-1] + 1, len(pictures))
    return PictureViews(tokens, pooled)


def family_batches(
    pictures: Sequence[NamedPicture], batch_size: int, generator: np.random.Generator
) -> Iterator[list[int]]:
    """Yield row numbers for ever, one picture a family in each pass over the families.

    Two of a family differ in skin tone or gender only: as each other's negatives they would teach noise. A family that
    has toned pictures shows one of them a third of the time.
    """
    plain: dict[str, list[int]] = {}
    toned: dict[str, list[int]] = {}
    for row, picture in enumerate(pictures):
        (toned if picture.tone else plain).setdefault(picture.family, []).append(row)
    families = sorted(plain.keys() | toned.keys())
    assert len(families) >= batch_size, "a batch holds no family twice"
    while True:
        order = generator.permutation(len(families))
        for start in range(0, len(families) - batch_size + 1, batch_size):
            batch = []
            for place in order[start : start + batch_size]:
                family = families[place]
                show_toned = family in toned and (family not in plain or generator.random() < 1 / 3)
                batch.append(int(generator.choice((toned if show_toned else plain)[family])))
            yield batch
