"""What a dual encoder is given: pictures as its picture processor makes them, texts as its tokenizer does."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.nn import functional

from pipeline_core.errors import SampleError
from pipeline_core.models.family import DualEncoderFamily
from pipeline_core.models.hooks import running
from pipeline_core.models.limits import LongText, digest
from pipeline_core.models.pictures import check_picture
from pipeline_core.models.prompts import marker_pattern, without_markers
from pipeline_core.models.samples import REFUSALS, SampleInput, unprepared

Inputs = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class TextInputs:
    """What is made of the words of samples.

    Attributes:
        rows: positions of the samples that have words.
        arguments: of the text tower, a row for each of these; empty without any.
        long: texts as long as the model takes, or longer: those were cut.
    """

    rows: Sequence[int]
    arguments: Inputs
    long: tuple[LongText, ...] = ()


@dataclass(frozen=True)
class DualInputs:
    """What is made of samples.

    Attributes:
        samples: the samples, without their pictures.
        pictured: positions of those that had one.
        pictures: arguments of the picture tower, a row for each of these; empty without any.
        texts: of their words.
    """

    samples: Sequence[SampleInput]
    pictured: Sequence[int]
    pictures: Inputs
    texts: TextInputs


@dataclass(frozen=True)
class DualPreparer:
    """Makes of samples what a dual encoder takes, without the model: a ``Preparer``.

    Attributes:
        model: what errors call the model.
        processor: the model's transformers processor.
        text_options: how its tokenizer is to pad.
        markers: finds the model's own markers, which words are not to hold.
        most: tokens of a text, at most.
        length: tokens that every text is padded to; 0: to the longest of them.
    """

    model: str
    processor: Any
    text_options: Mapping[str, Any]
    markers: re.Pattern[str]
    most: int
    length: int

    @classmethod
    def of(cls, model: str, family: DualEncoderFamily, processor: Any, most: int) -> "DualPreparer":
        """Return what prepares samples as a family says, for a model that takes ``most`` tokens."""
        options = family.text_options() | {"max_length": most}
        return cls(model, processor, options, marker_pattern(processor), most, family.text_length or 0)

    def __call__(self, samples: Sequence[SampleInput]) -> DualInputs:
        """Prepare samples.

        Raises:
            SampleError: a sample has neither picture nor text, or its picture or text is refused.
            ModelError: its processor fails on all of them.
        """
        self.check(samples)
        pictured = [row for row, sample in enumerate(samples) if sample.image is not None]
        with running(self.model):
            pictures = self.pictures([samples[row] for row in pictured]) if pictured else {}
            texts = self.texts(samples)
        return DualInputs([replace(sample, image=None) for sample in samples], pictured, pictures, texts)

    def check(self, samples: Sequence[SampleInput]) -> None:
        """See that samples are such as a dual encoder embeds.

        Raises:
            SampleError: one has neither picture nor text, or its picture would become too large.
        """
        for sample in samples:
            if sample.image is None and sample.text is None:
                raise SampleError(sample.sample_id, sample.prompt_id, "has neither picture nor text")
            check_picture(self.processor, sample)

    def pictures(self, samples: Sequence[SampleInput]) -> Inputs:
        """Return the picture tower's arguments, a row a sample; each has a picture."""
        try:
            return dict(self.processor.image_processor(images=[s.image for s in samples], return_tensors="pt"))
        except REFUSALS as error:
            if len(samples) == 1:
                raise unprepared(samples[0], error) from None
            for sample in samples:  # which of them it is
                self.pictures([sample])
            raise

    def texts(self, samples: Sequence[SampleInput]) -> TextInputs:
        """Return the text tower's arguments for those of the samples that have words."""
        rows = [row for row, sample in enumerate(samples) if sample.text is not None]
        if not rows:
            return TextInputs((), {})
        tokenizer = self.processor.tokenizer
        texts = [without_markers(self.markers, samples[row].text or "") for row in rows]
        lengths = self._lengths([samples[row] for row in rows], texts)
        inputs = tokenizer(texts, truncation=True, padding_side="right", return_tensors="pt", **self.text_options)
        ids = inputs["input_ids"]
        long = tuple(
            LongText(row, length, self.most, digest(kept[: self.most]))
            for row, length, kept in zip(rows, lengths, ids, strict=True)
            if length >= self.most
        )
        if ids.shape[1] < self.length:  # a lower limit cuts texts, and leaves their padding as the model wants it
            missing = (0, self.length - ids.shape[1])
            inputs["input_ids"] = functional.pad(ids, missing, value=tokenizer.pad_token_id)
        return TextInputs(rows, dict(inputs), long)

    def _lengths(self, samples: Sequence[SampleInput], texts: Sequence[str]) -> list[int]:
        try:
            return [len(ids) for ids in self.processor.tokenizer(texts, verbose=False)["input_ids"]]
        except REFUSALS as error:
            if len(texts) == 1:
                raise unprepared(samples[0], error) from None
            for sample, text in zip(samples, texts, strict=True):  # which of them it is
                self._lengths([sample], [text])
            raise
