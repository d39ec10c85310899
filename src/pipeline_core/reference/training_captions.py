"""Captioning through the frozen language model, and the retrieval by its mean states that is watched meanwhile."""

from collections.abc import Sequence

import torch
from torch.nn import functional

from pipeline_core.model_facts import Rendering
from pipeline_core.reference.training_chat import FrozenChat
from pipeline_core.reference.training_contrast import retrieval_rates
from pipeline_core.reference.training_texts import Exchange

_IGNORED = -100
_BATCH = 32
_OF_TEXT, _OF_IMAGE = "Summarize the above sentence in one word:", "Summarize the above image in one word:"


class CaptionLoss:
    """The language model's cross-entropy on captions that follow projected pictures and an instruction."""

    def __init__(self, chat: FrozenChat, rendering: Rendering) -> None:
        self._chat, self._rendering = chat, rendering

    def __call__(self, image_tokens: torch.Tensor, exchanges: Sequence[Exchange]) -> torch.Tensor:
        """Return the mean loss a caption token (nats), the end of the turn included.

        Args:
            image_tokens: projected tokens [n, 16, d].
            exchanges: n instructions with their captions.
        """
        ids, targets = self._pad([self._spell(exchange) for exchange in exchanges])
        states = self._chat.states(torch.cat([image_tokens, self._chat.embed(ids)], dim=1))
        predicting = states[:, image_tokens.shape[1] - 1 : -1]
        chosen = targets != _IGNORED
        return functional.cross_entropy(self._chat.model.lm_head(predicting[chosen]), targets[chosen])

    def _spell(self, exchange: Exchange) -> tuple[list[int], list[int]]:
        tokenizer = self._chat.tokenizer
        asked = self._chat.after_picture(exchange.instruction, self._rendering)
        answered = [*tokenizer.encode(exchange.caption), tokenizer.eos_token_id]
        return asked + answered, [_IGNORED] * len(asked) + answered

    def _pad(self, spelt: Sequence[tuple[list[int], list[int]]]) -> tuple[torch.Tensor, torch.Tensor]:
        longest = max(len(ids) for ids, _ in spelt)
        ids = torch.full((len(spelt), longest), self._chat.tokenizer.pad_token_id)
        targets = torch.full((len(spelt), longest), _IGNORED)
        for row, (tokens, target) in enumerate(spelt):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            targets[row, : len(target)] = torch.tensor(target)
        return ids, targets


class PooledRetrieval:
    """Retrieval between names and pictures by mean last hidden states (the paper's prompts): watched, not optimised."""

    def __init__(self, chat: FrozenChat, names: Sequence[str]) -> None:
        """Embed the names once: the language model that reads them never changes."""
        self._chat = chat
        with torch.no_grad():
            turns = [chat.after_text(name, _OF_TEXT, "released") for name in names]
            self._text_nd = torch.cat([self._pool(chat.embed(torch.tensor([turn]))) for turn in turns])

    def __call__(self, image_tokens: torch.Tensor, cutoffs: Sequence[int] = (5,)) -> dict[str, float]:
        """Return hit rates in percent of projected pictures [n, 16, d], raw and with each modality's mean removed."""
        asked = self._chat.embed(torch.tensor(self._chat.after_picture(_OF_IMAGE, "released")))
        batches = torch.split(image_tokens, _BATCH)
        image_nd = torch.cat(
            [self._pool(torch.cat([batch, asked.expand(len(batch), -1, -1)], dim=1)) for batch in batches]
        )
        raw = retrieval_rates(image_nd, self._text_nd, cutoffs)
        centred = retrieval_rates(image_nd - image_nd.mean(0), self._text_nd - self._text_nd.mean(0), cutoffs)
        return {f"raw_{name}": rate for name, rate in raw.items()} | {
            f"centred_{name}": rate for name, rate in centred.items()
        }

    def _pool(self, embedded: torch.Tensor) -> torch.Tensor:
        prefix, states = self._chat.prefix_states, self._chat.states(embedded)
        pooled: torch.Tensor = (prefix.sum(0) + states.sum(1)) / (len(prefix) + states.shape[1])
        return pooled
