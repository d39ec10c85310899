"""How many tokens a model takes, and what is left of a text that has more."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_TOKENS = 2048
"""Tokens of a generative model's prompt, its picture's left out, where ``model.max_tokens`` is not set.

Few captions come near it; at the tens of thousands that such models take, a batch would ask for tens of gigabytes.
"""

_UNTOLD = 10**6
"""From here on a tokenizer's limit is none: one that knows none says 10^30."""


@dataclass(frozen=True)
class TokenLimits:
    """Most tokens of a generative model's input.

    Attributes:
        prompt: of the prompt, those of a picture left out.
        whole: of both.
    """

    prompt: int
    whole: int


@dataclass(frozen=True)
class LongText:
    """A text as long as its model takes, or longer: then the end of its words was cut off.

    Attributes:
        row: position of the sample among those embedded.
        n_tokens: tokens of its prompt, those of a picture left out.
        n_kept: those of them that the model was given: fewer, where it was cut.
        kept: digest of what is left of the words; where it is equal, the model was shown the same words.
    """

    row: int
    n_tokens: int
    n_kept: int
    kept: str


def digest(ids: npt.ArrayLike) -> str:
    """Return a digest of the ids of tokens."""
    return hashlib.sha256(np.asarray(ids, dtype=np.int64).tobytes()).hexdigest()[:32]


def tokenizer_limit(tokenizer: Any) -> int:
    """Return the most tokens of a text by its tokenizer, or a number beyond all."""
    return int(min(tokenizer.model_max_length, _UNTOLD))


def model_limit(model: Any) -> int:
    """Return the most tokens that a language model or text tower has positions for, or a number beyond all."""
    told = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    most = told if isinstance(told, int) and told > 0 else _UNTOLD
    # RoBERTa and its kin count positions from behind that of padding.
    tables = (part for name, part in model.named_modules() if name.endswith("position_embeddings"))
    first = (part.padding_idx + 1 for part in tables if getattr(part, "padding_idx", None) is not None)
    return min(most, _UNTOLD) - next(first, 0)
