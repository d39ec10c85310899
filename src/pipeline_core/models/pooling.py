"""Token states to one vector: four poolings under four masks of token roles."""

from collections.abc import Sequence

import torch

from pipeline_core.models.representations import Mask, Pooling
from pipeline_core.models.samples import IMAGE, PROMPT, TEXT, Roles


def token_mask(roles: Sequence[Roles], mask: Mask, length: int) -> torch.Tensor:
    """Say which tokens of padded samples a mask keeps.

    ``all`` keeps every token (template included, as in the paper), ``no_image`` leaves out the picture's tokens,
    ``no_prompt`` those of the instruction, and ``content`` keeps the sample's own: picture and text. A mask that would
    keep no token of a sample, such as ``no_image`` of a picture without words or template, keeps them all.

    Args:
        roles: roles of each sample's tokens, without padding.
        mask: which roles are kept.
        length: tokens that the samples are padded to, on the right.

    Returns:
        bool [samples, length], at least one True in each row.
    """
    kept = torch.zeros(len(roles), length, dtype=torch.bool)
    for row, sample in enumerate(roles):
        role = torch.from_numpy(sample)
        match mask:
            case "all":
                keep = torch.ones(len(role), dtype=torch.bool)
            case "no_image":
                keep = role != IMAGE
            case "no_prompt":
                keep = role != PROMPT
            case "content":
                keep = (role == IMAGE) | (role == TEXT)
        kept[row, : len(role)] = keep if bool(keep.any()) else True
    return kept


def pool(states: torch.Tensor, mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """Pool the states of the tokens that a mask keeps.

    Args:
        states: [samples, length, width], any float type. What padding holds is never read.
        mask: bool [samples, length], at least one True in each row.
        pooling: ``mean`` sums in float64; ``last`` takes the last kept token; ``max`` and ``min`` go by dimension.

    Returns:
        float32 [samples, width].
    """
    kept = mask.to(states.device)[:, :, None]
    match pooling:
        case "mean":
            sums = states.masked_fill(~kept, 0.0).sum(1, dtype=torch.float64)
            return (sums / kept.sum(1)).float()
        case "last":
            positions = torch.arange(states.shape[1], device=states.device)
            last = (kept[:, :, 0] * positions).argmax(1)
            return states[torch.arange(len(states), device=states.device), last].float()
        case "max":
            return states.masked_fill(~kept, -torch.inf).amax(1).float()
        case "min":
            return states.masked_fill(~kept, torch.inf).amin(1).float()
