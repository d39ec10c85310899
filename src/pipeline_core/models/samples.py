"""What goes into a model and what is known of its tokens: a sample under an instruction, and the role of each token."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline_core.errors import SampleError

Role = Literal["image", "text", "prompt", "template", "system"]

ROLES: tuple[Role, ...] = get_args(Role)
"""Roles of tokens; a token's role is stored as its position in this tuple.

image: stands for a part of the picture. text: the sample's own words. prompt: the instruction. system: the turn that
comes before the user's, with what begins a conversation. template: all else; where the system's turn is not named, as
in masks and attention, it is part of the template.
"""
IMAGE, TEXT, PROMPT, TEMPLATE, SYSTEM = range(len(ROLES))

Roles = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class SampleInput:
    """One sample to embed under one instruction.

    Attributes:
        sample_id: names the sample in errors.
        prompt_id: the instruction's id; ``none`` for models that follow none.
        image: RGB picture, or None.
        text: the sample's words, or None.
        instruction: what the model is told to do with the sample, or None.
        image_key: identity of the picture; equal keys let an embedder look at a picture once.
        keeps_states: the states of its tokens are kept, for SAEs to train on.
    """

    sample_id: str
    prompt_id: str
    image: Image.Image | None = None
    text: str | None = None
    instruction: str | None = None
    image_key: str | None = None
    keeps_states: bool = False


REFUSALS = (ValueError, TypeError, RuntimeError, ArithmeticError, LookupError, AttributeError, AssertionError)
"""What processors raise on a sample that they do not take."""


def unprepared(sample: SampleInput, error: Exception) -> SampleError:
    """Return a processor's error as one of the sample."""
    reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    kind = "KeyError: " * isinstance(error, KeyError)  # it says nothing but the key
    return SampleError(sample.sample_id, sample.prompt_id, f"cannot be prepared: {kind}{reason}")
