"""Batches of items to rows: a model's states pooled into every representation, training token states kept."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import torch

from pipeline_core.activations.plan import Item
from pipeline_core.activations.pooling import MASKS, Mask, pool, token_mask
from pipeline_core.activations.representations import Representation
from pipeline_core.activations.shards import Rows, TokenStates
from pipeline_core.errors import ModelError
from pipeline_core.models.adapter import IMAGE, ROLES, TEXT, SampleInput
from pipeline_core.models.contrastive import ContrastiveAdapter
from pipeline_core.models.generative import GenerativeAdapter

Embed = Callable[[Sequence[Item], Sequence[SampleInput]], Rows]
"""Embeds items, given with their pictures opened."""


def generative_embedding(
    adapter: GenerativeAdapter, representations: Sequence[Representation], layer: int, token_roles: Sequence[str]
) -> Embed:
    """Return the embedding of items by a generative model.

    Args:
        adapter: the model.
        representations: what is pooled.
        layer: layer whose token states are kept for items of the train split.
        token_roles: roles of the tokens that are kept.
    """
    of_layer: dict[int, list[tuple[int, Representation]]] = defaultdict(list)
    for row, rep in enumerate(representations):
        of_layer[rep.layer].append((row, rep))
    kept_roles = [ROLES.index(role) for role in token_roles]

    def embed(items: Sequence[Item], inputs: Sequence[SampleInput]) -> Rows:
        batch = adapter.prepare(inputs)
        length = max(len(roles) for roles in batch.roles)
        masks: dict[Mask, torch.Tensor] = {mask: token_mask(batch.roles, mask, length) for mask in MASKS}
        vectors = np.empty((len(representations), len(items), adapter.width), dtype=np.float32)
        tokens: list[TokenStates] = []

        def visit(number: int, states: torch.Tensor) -> None:
            for row, rep in of_layer[number]:
                vectors[row] = pool(states, masks[rep.mask], rep.pooling).cpu().numpy()
            if number == layer:
                tokens.extend(_kept_tokens(items, batch.roles, states, kept_roles))

        adapter.run(batch, visit)
        _check_finite(adapter.name, items, representations, vectors)
        n_tokens = np.array([masks[rep.mask].sum(1).numpy() for rep in representations], dtype=np.int32)
        return Rows(tuple(items), tuple(rep.rep_id for rep in representations), n_tokens, vectors, tuple(tokens))

    return embed


def contrastive_embedding(adapter: ContrastiveAdapter, rep_id: str) -> Embed:
    """Return the embedding of items by a dual encoder.

    Its SAE trains on final embeddings, so those of the train split stand in for token states: one a sample, at
    position 0, with the role image for anything with a picture.
    """

    def embed(items: Sequence[Item], inputs: Sequence[SampleInput]) -> Rows:
        vectors = adapter.embed(inputs)
        tokens = tuple(
            TokenStates(
                item,
                np.zeros(1, dtype=np.int32),
                np.array([TEXT if item.image_ref is None else IMAGE], dtype=np.uint8),
                vector[None],
            )
            for item, vector in zip(items, vectors, strict=True)
            if item.split == "train"
        )
        return Rows(tuple(items), (rep_id,), np.ones((1, len(items)), dtype=np.int32), vectors[None], tokens)

    return embed


def embed_halving(embed: Embed, items: Sequence[Item], inputs: Sequence[SampleInput]) -> list[Rows]:
    """Embed a batch; when memory runs out, embed its halves.

    Raises:
        ModelError: not even one item fits.
    """
    try:
        return [embed(items, inputs)]
    except torch.OutOfMemoryError:
        if len(items) == 1:
            raise ModelError(
                f"sample {items[0].sample_id} alone does not fit the device's memory",
                "lower model.max_pixels, or use model.dtype=bfloat16 or another device",
            ) from None
    half = len(items) // 2
    return embed_halving(embed, items[:half], inputs[:half]) + embed_halving(embed, items[half:], inputs[half:])


def _kept_tokens(
    items: Sequence[Item], roles: Sequence[np.ndarray], states: torch.Tensor, kept_roles: Sequence[int]
) -> list[TokenStates]:
    kept = []
    for row, (item, of_item) in enumerate(zip(items, roles, strict=True)):
        if item.split == "train":
            positions = np.flatnonzero(np.isin(of_item, kept_roles)).astype(np.int32)
            values = states[row, torch.from_numpy(positions)].float().cpu().numpy()
            kept.append(TokenStates(item, positions, of_item[positions], values))
    return kept


def _check_finite(
    model: str, items: Sequence[Item], representations: Sequence[Representation], vectors: np.ndarray
) -> None:
    # A mean over all tokens is finite only if each of them is, and every layer has one.
    finite = np.isfinite(vectors).all(axis=2)
    if finite.all():
        return
    row, column = np.argwhere(~finite)[0]
    raise ModelError(
        f"{model} gives values that are not finite for sample {items[column].sample_id} "
        f"in layer {representations[row].layer}",
        "float16 overflows in models trained in bfloat16: try model.dtype=float32 or bfloat16",
    )
