"""What goes into a model and what is known of its tokens: a sample under an instruction, and the role of each token."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

AttentionKind = Literal["causal", "prefix", "bidirectional"]
"""What a token could see: earlier tokens, also the whole prefix, or everything."""

ROLES = ("image", "text", "prompt", "template")
"""Roles of tokens; a token's role is stored as its position in this tuple.

image: stands for a part of the picture. text: the sample's own words. prompt: the instruction. template: all else.
"""
IMAGE, TEXT, PROMPT, TEMPLATE = range(len(ROLES))

Roles = npt.NDArray[np.uint8]

LayerVisitor = Callable[[int, torch.Tensor], None]
"""Receives a layer's number and its states [batch, tokens, width], padded on the right, in the model's dtype.

Layer 0 is the embedding layer; the last is after the final norm.
"""


@dataclass(frozen=True)
class SampleInput:
    """One sample to embed under one instruction.

    Attributes:
        sample_id: names the sample in errors.
        prompt_id: the instruction's id; ``none`` for dual encoders.
        image: RGB picture, or None.
        text: the sample's words, or None.
        instruction: what the model is told to do with the sample, or None.
        image_key: identity of the picture; equal keys let an adapter look at a picture once.
    """

    sample_id: str
    prompt_id: str
    image: Image.Image | None = None
    text: str | None = None
    instruction: str | None = None
    image_key: str | None = None
