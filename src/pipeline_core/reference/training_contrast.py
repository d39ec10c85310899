"""Contrastive objectives over frozen features: aligning the projector with words, and the dual encoder's heads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from pipeline_core.reference.dual import DualEncoderHeads
from pipeline_core.reference.training_pictures import NamedPicture, PictureViews

TextEncoder = Callable[[list[str]], torch.Tensor]
"""Texts to frozen vectors [n, d]."""


def label_texts(picture: NamedPicture) -> list[str]:
    """Return the texts that a picture should be near to, its name first: name, keywords joined, both, each keyword."""
    if not picture.keywords:
        return [picture.name]
    joined = ", ".join(picture.keywords)
    return [picture.name, joined, f"{picture.name}, {joined}", *picture.keywords]


@dataclass(frozen=True)
class LabelVectors:
    """Frozen vectors of all labels of n pictures.

    Attributes:
        vectors: float [distinct labels, d].
        places: for each picture, the rows of its labels; the name's comes first.
    """

    vectors: torch.Tensor
    places: tuple[tuple[int, ...], ...]

    def names(self, rows: Sequence[int]) -> torch.Tensor:
        """Return the names' vectors [b, d]."""
        return self.vectors[[self.places[row][0] for row in rows]]

    def draw(self, rows: Sequence[int], generator: np.random.Generator) -> torch.Tensor:
        """Return the vector [b, d] of one label a row: half the time its name, else any of its labels."""
        drawn = [
            self.places[row][0] if generator.random() < 0.5 else int(generator.choice(self.places[row])) for row in rows
        ]
        return self.vectors[drawn]


def encode_labels(pictures: Sequence[NamedPicture], encode: TextEncoder) -> LabelVectors:
    """Encode every distinct label once."""
    labels = [label_texts(picture) for picture in pictures]
    place = {text: row for row, text in enumerate(dict.fromkeys(text for texts in labels for text in texts))}
    vectors = encode(list(place))
    return LabelVectors(vectors, tuple(tuple(place[text] for text in texts) for texts in labels))


def info_nce(image_nd: torch.Tensor, text_nd: torch.Tensor, inverse_temperature: torch.Tensor) -> torch.Tensor:
    """Return the symmetric InfoNCE loss of unit vectors whose rows match, the other rows being the negatives."""
    logits = inverse_temperature * image_nd @ text_nd.T
    target = torch.arange(len(logits))
    return (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2


def retrieval_rates(image_nd: torch.Tensor, text_nd: torch.Tensor, cutoffs: Sequence[int] = (1, 5)) -> dict[str, float]:
    """Return hit rates in percent, text to image and back, by cosine of rows that match one to one."""
    scores = functional.normalize(text_nd, dim=-1) @ functional.normalize(image_nd, dim=-1).T
    rates: dict[str, float] = {}
    for direction, matrix in (("t2i", scores), ("i2t", scores.T)):
        rank = (matrix > matrix.diagonal()[:, None]).sum(1)
        rates |= {f"{direction}_hit{k}": 100 * (rank < k).float().mean().item() for k in cutoffs}
    return rates


class TokenAlignment(nn.Module):
    """The projector while it learns to speak in word embeddings: its tokens, and their mean, near a label's mean word.

    Cosines are taken after removing the mean word embedding, the direction all words share; a norm penalty keeps the
    tokens where the language model is used to find words.
    """

    def __init__(self, projector: nn.Module, embeddings: torch.Tensor, labels: LabelVectors) -> None:
        """`embeddings`: the language model's table [vocabulary, d]; `labels`: mean word embeddings of the labels."""
        super().__init__()
        self.projector = projector
        self.dropout = nn.Dropout(0.2)
        self.log_scale = nn.Parameter(torch.tensor(2.7))
        self.center = nn.Buffer(labels.vectors.mean(0))
        self.word_norm = (embeddings - self.center).norm(dim=-1).mean().item()

    def forward(self, tokens: torch.Tensor, label_nd: torch.Tensor) -> torch.Tensor:
        """Return the loss of vision tokens [n, 16, 1280] against mean word embeddings [n, d]."""
        offset = self.projector(self.dropout(tokens)) - self.center
        text = functional.normalize(label_nd - self.center, dim=-1)
        scale = self.log_scale.exp()
        whole = info_nce(functional.normalize(offset.mean(1), dim=-1), text, scale)
        each = functional.normalize(offset, dim=-1).transpose(0, 1)
        parts = torch.stack([info_nce(image, text, scale) for image in each]).mean()
        norm = (offset.norm(dim=-1) / self.word_norm - 1).square().mean()
        loss: torch.Tensor = whole + 0.5 * parts + norm
        return loss

    def validate(self, views: PictureViews, labels: LabelVectors) -> dict[str, float]:
        """Measure retrieval of held-out names in the space of word embeddings."""
        rows = range(len(labels.places))
        image = self.projector(views.plain(rows)[0]).mean(1) - self.center
        return scored(retrieval_rates(image, labels.names(rows) - self.center))


class HeadContrast(nn.Module):
    """The dual encoder's heads while they learn: pictures near their labels, all others of the batch far."""

    def __init__(self, heads: DualEncoderHeads) -> None:
        super().__init__()
        self.heads = heads
        self.image_dropout = nn.Dropout(0.3)
        self.text_dropout = nn.Dropout(0.1)
        self.log_scale = nn.Parameter(torch.tensor(2.7))

    def forward(self, pooled: torch.Tensor, label_nd: torch.Tensor) -> torch.Tensor:
        """Return the loss of pooled vision features [n, 1280] against sentence vectors [n, 384]."""
        image = functional.normalize(self.heads.image(self.image_dropout(pooled)), dim=-1)
        text = functional.normalize(self.heads.text(self.text_dropout(label_nd)), dim=-1)
        return info_nce(image, text, self.log_scale.exp())

    def validate(self, views: PictureViews, labels: LabelVectors) -> dict[str, float]:
        """Measure retrieval of held-out names in the common space."""
        rows = range(len(labels.places))
        return scored(retrieval_rates(self.heads.image(views.plain(rows)[1]), self.heads.text(labels.names(rows))))


def scored(rates: dict[str, float]) -> dict[str, float]:
    """Add the mean of all rates as the `score` that training maximises."""
    return {**rates, "score": float(np.mean(list(rates.values())))}
