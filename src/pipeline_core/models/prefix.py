"""The beginning that all prompts of a batch share: what a causal model computes for it is the same for each of them."""

from typing import Any

import numpy as np
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from pipeline_core.models.samples import SYSTEM, TEMPLATE
from pipeline_core.models.tokens import TokenBatch

PLAIN_ARGUMENTS = frozenset({"input_ids", "attention_mask"})
"""What lets earlier tokens be computed by themselves; further arguments a token, such as token types, may not."""


def keeps_plain_cache(text_config: Any) -> bool:
    """Say whether all layers of a language model cache keys and values of every earlier token, and nothing else."""
    layers = DynamicCache(config=text_config).layers
    return all(type(layer) is DynamicLayer for layer in layers)


def shared_prefix(batch: TokenBatch, plain: frozenset[str] = PLAIN_ARGUMENTS) -> int:
    """Return the number of leading template tokens that are equal in all samples; 0 if nothing is to be gained.

    Nothing is gained with one sample, or where a batch has other arguments a token than those that are ``plain``.
    """
    if len(batch.samples) == 1 or not plain.issuperset(batch.tokens):
        return 0
    own = [~np.isin(roles[:-1], (SYSTEM, TEMPLATE)) for roles in batch.roles]
    template = min(int(np.argmax(np.append(words, True))) for words in own)
    ids = batch.tokens["input_ids"][:, :template]
    return int((ids == ids[:1]).all(0).long().cumprod(0).sum())
