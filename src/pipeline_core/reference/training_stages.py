"""The three stages of reference training, each a batch, a loss and a validation over the shared loop."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from pipeline_core.model_facts import Rendering
from pipeline_core.reference.dual import DualEncoderHeads
from pipeline_core.reference.training_captions import CaptionLoss, PooledRetrieval
from pipeline_core.reference.training_chat import FrozenChat
from pipeline_core.reference.training_contrast import (
    HeadContrast,
    LabelVectors,
    TextEncoder,
    TokenAlignment,
    encode_labels,
)
from pipeline_core.reference.training_loop import Schedule, TrainingLog, fit
from pipeline_core.reference.training_pictures import NamedPicture, PictureViews, Progress, family_batches
from pipeline_core.reference.training_texts import draw_exchange, naming_exchange

_ALIGNMENT_BATCH = 128
_CAPTION_BATCH = 16
_HEADS_BATCH = 256


@dataclass(frozen=True)
class Lesson:
    """What every stage learns from and is validated on.

    Attributes:
        train: pictures of the train split, with `train_views`.
        validation: untoned pictures of the validation split, with `validation_views`.
        seed: of batches, views, labels and initial weights.
        log: where validations go.
        progress: called after every step.
    """

    train: Sequence[NamedPicture]
    train_views: PictureViews
    validation: Sequence[NamedPicture]
    validation_views: PictureViews
    seed: int
    log: TrainingLog
    progress: Progress

    def encode(self, encode: TextEncoder) -> tuple[LabelVectors, LabelVectors]:
        """Return the labels' vectors of the train and of the validation pictures."""
        return encode_labels(self.train, encode), encode_labels(self.validation, encode)


def train_alignment(
    lesson: Lesson, projector: nn.Module, word_embeddings: torch.Tensor, encode: TextEncoder, schedule: Schedule
) -> dict[str, float]:
    """Stage 1: move the projector's tokens to the word embeddings of names and keywords; returns the best validation.

    Args:
        lesson: data, seed, log.
        projector: trained in place.
        word_embeddings: the language model's table [vocabulary, d].
        encode: texts to mean word embeddings [n, d].
        schedule: length and speed.
    """
    train_labels, validation_labels = lesson.encode(encode)
    alignment = TokenAlignment(projector, word_embeddings, train_labels)
    generator = np.random.default_rng((lesson.seed, 1))
    batches = family_batches(lesson.train, _ALIGNMENT_BATCH, generator)

    def loss() -> torch.Tensor:
        rows = next(batches)
        result: torch.Tensor = alignment(
            lesson.train_views.draw(rows, generator)[0], train_labels.draw(rows, generator)
        )
        return result

    return fit(
        "alignment",
        alignment,
        loss,
        lambda module: module.validate(lesson.validation_views, validation_labels),
        schedule,
        log=lesson.log,
        progress=lesson.progress,
    )


class Captioner(nn.Module):
    """The projector with the dropout that it learns captions under."""

    def __init__(self, projector: nn.Module) -> None:
        super().__init__()
        self.projector = projector
        self.dropout = nn.Dropout(0.2)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Project vision tokens [n, 16, 1280] to [n, 16, d]."""
        projected: torch.Tensor = self.projector(self.dropout(tokens))
        return projected


def train_captions(
    lesson: Lesson,
    projector: nn.Module,
    chat: FrozenChat,
    rendering: Rendering,
    schedule: Schedule,
    *,
    keep: Callable[[nn.Module], None],
) -> dict[str, float]:
    """Stage 2: captions through the frozen language model; returns the best validation.

    Args:
        lesson: data, seed, log.
        projector: trained in place.
        chat: the frozen language model that gradients pass through.
        rendering: of the prompts that captions answer.
        schedule: length and speed; the score is the negative held-out loss of names.
        keep: gets each new best projector.
    """
    caption_loss = CaptionLoss(chat, rendering)
    retrieval = PooledRetrieval(chat, [picture.name for picture in lesson.validation])
    generator = np.random.default_rng((lesson.seed, 2))
    batches = family_batches(lesson.train, _CAPTION_BATCH, generator)
    captioner = Captioner(projector)

    def loss() -> torch.Tensor:
        rows = next(batches)
        exchanges = [draw_exchange(lesson.train[row], generator) for row in rows]
        return caption_loss(captioner(lesson.train_views.draw(rows, generator)[0]), exchanges)

    def validate(module: nn.Module) -> Mapping[str, float]:
        rows = range(len(lesson.validation))
        tokens = module(lesson.validation_views.plain(rows)[0])
        losses = [caption_loss(tokens[row : row + 1], [naming_exchange(lesson.validation[row])]).item() for row in rows]
        held_out = float(np.mean(losses))
        return {"held_out_loss": held_out, **retrieval(tokens), "score": -held_out}

    return fit(
        "captions",
        captioner,
        loss,
        validate,
        schedule,
        log=lesson.log,
        progress=lesson.progress,
        keep=lambda module: keep(module.projector),
    )


def train_heads(lesson: Lesson, heads: DualEncoderHeads, encode: TextEncoder, schedule: Schedule) -> dict[str, float]:
    """Train the dual encoder's heads in place; returns the best validation.

    Args:
        lesson: data, seed, log.
        heads: trained in place.
        encode: texts to sentence vectors [n, 384].
        schedule: length and speed.
    """
    train_labels, validation_labels = lesson.encode(encode)
    generator = np.random.default_rng((lesson.seed, 3))
    batches = family_batches(lesson.train, _HEADS_BATCH, generator)
    contrast = HeadContrast(heads)

    def loss() -> torch.Tensor:
        rows = next(batches)
        result: torch.Tensor = contrast(lesson.train_views.draw(rows, generator)[1], train_labels.draw(rows, generator))
        return result

    return fit(
        "heads",
        contrast,
        loss,
        lambda module: module.validate(lesson.validation_views, validation_labels),
        schedule,
        log=lesson.log,
        progress=lesson.progress,
    )
