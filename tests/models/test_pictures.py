"""The memory of pictures: each is computed once inside the context, and memory is bounded."""

import pytest
import torch

from pipeline_core.models import pictures
from pipeline_core.models.pictures import PictureMemory


class Tower:
    """Counts what it is asked for; a picture's features are its position in ``keys``."""

    def __init__(self, memory: PictureMemory) -> None:
        self.memory = memory
        self.asked: list[str] = []

    def look(self, *keys: str | None) -> list[torch.Tensor] | None:
        def compute(new: list[int]) -> list[torch.Tensor]:
            self.asked += [str(keys[n]) for n in new]
            return [torch.full((64,), float(ord(str(keys[n])[0]))) for n in new]

        return self.memory.features(keys, compute)


def test_a_picture_is_computed_once_inside_the_context_only() -> None:
    tower = Tower(PictureMemory())
    with tower.memory.remembering():
        found = tower.look("a", "b", "a")
        tower.look("b", "c")
    assert found is not None and [int(f[0]) for f in found] == [ord("a"), ord("b"), ord("a")]
    assert tower.asked == ["a", "b", "c"]
    tower.look("a")
    tower.look("a")
    assert tower.asked == ["a", "b", "c", "a", "a"]


def test_pictures_without_identity_are_like_no_other() -> None:
    tower = Tower(PictureMemory())
    with tower.memory.remembering():
        tower.look(None, None)
        tower.look(None)
    assert tower.asked == ["None"] * 3


def test_what_was_seen_first_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_LIMIT_BYTES", 2 * 64 * 4)
    tower = Tower(PictureMemory())
    with tower.memory.remembering():
        tower.look("a", "b", "c")
        tower.look("b", "c")
        tower.look("a")
    assert tower.asked == ["a", "b", "c", "a"]


def test_features_that_cannot_be_told_apart_are_refused() -> None:
    assert PictureMemory().features(["a"], lambda new: None) is None
