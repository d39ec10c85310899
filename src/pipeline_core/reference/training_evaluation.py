"""What the model card says of held-out pictures: captions in full, and retrieval on the test split."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from pipeline_core.model_facts import Rendering
from pipeline_core.reference.dual import DualEncoderHeads
from pipeline_core.reference.training_captions import CaptionLoss, PooledRetrieval
from pipeline_core.reference.training_chat import FrozenChat
from pipeline_core.reference.training_contrast import TextEncoder, retrieval_rates
from pipeline_core.reference.training_pictures import NamedPicture, PictureViews
from pipeline_core.reference.training_texts import naming_exchange

_CUTOFFS = (1, 5, 10)
_BATCH = 32
_LONGEST_CAPTION = 16


@torch.inference_mode()
def evaluate(
    pictures: Sequence[NamedPicture],
    views: PictureViews,
    chat: FrozenChat,
    projector: nn.Module,
    heads: DualEncoderHeads,
    sentence_vectors: TextEncoder,
    rendering: Rendering,
) -> dict[str, Any]:
    """Measure both reference models on pictures that no stage has seen.

    Args:
        pictures: held-out pictures, one a name.
        views: their vision features.
        chat: the frozen language model.
        projector: trained.
        heads: trained.
        sentence_vectors: texts to sentence vectors [n, 384].
        rendering: of the prompts that captions answer.

    Returns:
        `pictures`: how many; `caption_loss`: nats a token of the names; `mllm` and `contrastive`: hit rates in percent
        with the pictures themselves as pool; `captions`: for each name, the greedy answer to the naming instruction.
    """
    tokens, pooled = views.plain(range(len(pictures)))
    projected = projector(tokens)
    names = [picture.name for picture in pictures]
    caption_loss = CaptionLoss(chat, rendering)
    losses = [caption_loss(projected[[row]], [naming_exchange(picture)]) for row, picture in enumerate(pictures)]
    return {
        "pictures": len(pictures),
        "caption_loss": torch.stack(losses).mean().item(),
        "mllm": PooledRetrieval(chat, names)(projected, _CUTOFFS),
        "contrastive": retrieval_rates(heads.image(pooled), heads.text(sentence_vectors(names)), _CUTOFFS),
        "captions": dict(
            zip(
                names,
                _captions(chat, projected, chat.after_picture(naming_exchange(pictures[0]).instruction, rendering)),
                strict=True,
            )
        ),
    }


def _captions(chat: FrozenChat, projected: torch.Tensor, asked: list[int]) -> list[str]:
    before = chat.embed(torch.tensor(chat.before_picture()))
    after = chat.embed(torch.tensor(asked))
    captions: list[str] = []
    for batch in torch.split(projected, _BATCH):
        spoken = [before.expand(len(batch), -1, -1), batch, after.expand(len(batch), -1, -1)]
        embedded = torch.cat(spoken, dim=1)
        attended = torch.ones(embedded.shape[:2], dtype=torch.long)
        answers = chat.model.generate(
            inputs_embeds=embedded, attention_mask=attended, max_new_tokens=_LONGEST_CAPTION, do_sample=False
        )
        captions += chat.tokenizer.batch_decode(answers, skip_special_tokens=True)
    return captions
