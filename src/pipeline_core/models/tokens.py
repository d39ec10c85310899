"""Samples as token batches: each sample is tokenised by itself, its tokens get roles, and padding goes on the right."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from pipeline_core.errors import ModelError, SampleError
from pipeline_core.model_facts import Rendering
from pipeline_core.models.family import GenerativeFamily
from pipeline_core.models.hooks import running
from pipeline_core.models.limits import LongText, TokenLimits, digest
from pipeline_core.models.pictures import check_picture
from pipeline_core.models.prompts import Span, Spans, without_markers
from pipeline_core.models.samples import IMAGE, PROMPT, REFUSALS, SYSTEM, TEMPLATE, TEXT, Roles, SampleInput, unprepared

Inputs = dict[str, torch.Tensor]

_PLAIN_SIZE = (224, 224)
_BLANK = (224, 224)  # it is black at any size


@dataclass(frozen=True)
class TokenizedSample:
    """One sample as the model takes it.

    Attributes:
        sample: what it was made of.
        tokens: arguments with one value a token, each [1, tokens].
        vision: arguments of the vision tower; empty without a picture.
        roles: role of each token [tokens], positions in ``ROLES``.
        places: first and last character, the latter excluded, of each token, counted from the start of the sample's
            words [tokens, 2]; those of tokens of other roles lie elsewhere in the prompt.
        long: how long its text is and what is left of it, if it is as long as the model takes, or longer.
    """

    sample: SampleInput
    tokens: Inputs
    vision: Inputs
    roles: Roles
    places: npt.NDArray[np.int64]
    long: LongText | None = None


@dataclass(frozen=True)
class TokenBatch:
    """Samples padded on the right to one length.

    Attributes:
        samples: the samples, in the order given.
        tokens: arguments [batch, tokens], ``attention_mask`` among them.
    """

    samples: tuple[TokenizedSample, ...]
    tokens: Inputs

    @property
    def roles(self) -> tuple[Roles, ...]:
        """Roles of each sample's tokens, without padding."""
        return tuple(sample.roles for sample in self.samples)


@dataclass(frozen=True)
class Speech:
    """How a model is spoken to.

    Attributes:
        family: the model's, which lays out the prompt.
        processor: the model's transformers processor, with a fast tokenizer.
        rendering: how its prompts end.
        picture_ids: ids of the tokens that stand for parts of a picture.
        accepted: names of the arguments that the model takes; the processor's other outputs are left out.
        takes_texts: the processor takes a text without a picture; others leave it to the tokenizer.
        markers: finds the model's own markers, which words are not to hold.
        limits: how many tokens the model takes.
        system: what its template begins prompts with, before the user's turn.
    """

    family: GenerativeFamily
    processor: Any
    rendering: Rendering
    picture_ids: frozenset[int]
    accepted: frozenset[str]
    takes_texts: bool
    markers: re.Pattern[str]
    limits: TokenLimits
    system: str = ""


@dataclass(frozen=True)
class TokenPreparer:
    """Makes of samples what a generative model takes, without the model: a ``Preparer``.

    Attributes:
        model: what errors call the model.
        speech: how it is spoken to.
        blank: a black picture is shown with a text alone.
    """

    model: str
    speech: Speech
    blank: bool = False

    def tokenized(self, samples: Sequence[SampleInput]) -> list[TokenizedSample]:
        """Tokenise samples one by one; errors as in ``tokenize``."""
        with running(self.model):
            return [tokenize(self.speech, self._shown(sample)) for sample in samples]

    def __call__(self, samples: Sequence[SampleInput]) -> list[TokenizedSample]:
        """Tokenise samples, and leave out their pictures, of which the model is given what was made of them."""
        return [replace(one, sample=replace(one.sample, image=None)) for one in self.tokenized(samples)]

    def _shown(self, sample: SampleInput) -> SampleInput:
        if sample.image is not None or not self.blank:
            return sample
        return replace(sample, image=Image.new("RGB", _BLANK), image_key="blank")


def takes_texts(processor: Any) -> bool:
    """Say whether a processor takes a text alone; some demand a picture, or would add one."""
    try:
        processor(text=["a"], return_tensors="pt")
    except (ValueError, TypeError, AttributeError, KeyError):
        return False
    return True


def tokenize(speech: Speech, sample: SampleInput) -> TokenizedSample:
    """Apply chat template, image processor and tokenizer to one sample, and find the role of each token.

    Words beyond what the model takes are cut off at their end: template, instruction and picture stay.

    Raises:
        SampleError: template or processor refuse the sample, or change its words; the origin of a token cannot be told;
            its picture became no token; its words hold a special token that cannot be broken; or it is too long even
            without words.
        ModelError: so it is with a plain sample too.
    """
    try:
        return _tokenized(speech, sample)
    except SampleError as error:
        try:
            _tokenized(speech, plain_sample(sample))
        except SampleError:
            raise ModelError(
                f"{error.problem}; so would any other: the fault is the model's",
                "use another model, or download it again; the limit of tokens is model.max_tokens",
            ) from error
        raise


def plain_sample(sample: SampleInput) -> SampleInput:
    """Return a sample that no model refuses which takes any with the same parts."""
    return SampleInput(
        sample.sample_id,
        sample.prompt_id,
        None if sample.image is None else Image.new("RGB", _PLAIN_SIZE, "red"),
        sample.text and "a red heart",
        sample.instruction and "Summarize:",
    )


def _tokenized(speech: Speech, sample: SampleInput) -> TokenizedSample:
    plain = [words and without_markers(speech.markers, words) for words in (sample.text, sample.instruction)]
    sample = replace(sample, text=plain[0], instruction=plain[1])
    check_picture(speech.processor, sample)
    rendered = speech.family.render(speech.processor, sample, speech.rendering)
    try:
        expanded, outputs = _apply(speech, sample, rendered)
    except REFUSALS as error:
        raise unprepared(sample, error) from None
    offsets = [(int(start), int(end)) for start, end in outputs.pop("offset_mapping")[0]]
    spans = speech.family.spans(expanded, sample)
    if speech.system and expanded.startswith(speech.system):
        spans = replace(spans, system=(0, len(speech.system)))
    roles = _roles(sample, expanded, spans, offsets)
    ids = outputs["input_ids"][0]
    pictures = torch.isin(ids, torch.tensor(sorted(speech.picture_ids))).numpy()
    if bool(np.isin(roles[pictures], (TEXT, PROMPT)).any()) or (sample.image is None and pictures.any()):
        raise SampleError(*_key(sample), "holds a picture's token in its words")
    if sample.image is not None:
        if not pictures.any():
            raise SampleError(*_key(sample), "has a picture that became no token")
        roles[pictures] = IMAGE
    outputs = {
        name: value for name, value in outputs.items() if name in speech.accepted and isinstance(value, torch.Tensor)
    }
    length = outputs["input_ids"].shape
    tokens = {name: value for name, value in outputs.items() if value.shape[:2] == length}
    vision = {name: value for name, value in outputs.items() if name not in tokens}
    # The last token may hold a part of the template, such as '.\n'.
    words = np.flatnonzero((roles == TEXT) & (np.array([end for _, end in offsets]) <= spans.text[1]))
    places = np.array(offsets, dtype=np.int64) - spans.text[0]
    return _cut(TokenizedSample(sample, tokens, vision, roles, places), words, speech.limits)


def _cut(whole: TokenizedSample, words: npt.NDArray[np.int64], limits: TokenLimits) -> TokenizedSample:
    """Leave out the last of the tokens ``words`` of a sample that has more tokens than its model takes."""
    n_pictures = int((whole.roles == IMAGE).sum())
    n_tokens = len(whole.roles) - n_pictures
    most = min(limits.prompt, limits.whole - n_pictures)
    if n_tokens < most or (n_tokens == most and not len(words)):
        return whole
    excess = n_tokens - most
    if excess and excess >= len(words):
        raise SampleError(
            *_key(whole.sample),
            f"takes {len(whole.roles) - len(words):,} tokens without its words, where the model takes "
            f"{most + n_pictures:,}",
            len(whole.roles),
        )
    kept = np.ones(len(whole.roles), dtype=bool)
    kept[words[len(words) - excess :]] = False
    tokens = {name: value[:, kept] for name, value in whole.tokens.items()}
    roles = whole.roles[kept]
    return replace(
        whole,
        tokens=tokens,
        roles=roles,
        places=whole.places[kept],
        long=LongText(0, n_tokens, most, digest(tokens["input_ids"][0, roles == TEXT])),
    )


def _key(sample: SampleInput) -> tuple[str, str]:
    return sample.sample_id, sample.prompt_id


def passes(lengths: Sequence[int], most_tokens: int | None) -> list[slice]:
    """Return which samples go through the model together, in their order.

    Args:
        lengths: tokens of each sample.
        most_tokens: tokens of a pass, padding among them, at most; a longer sample goes alone. None: all are one.
    """
    starts, longest = [0], 0
    for row, length in enumerate(lengths):
        longest = max(longest, length)
        if most_tokens is not None and row > starts[-1] and (row + 1 - starts[-1]) * longest > most_tokens:
            starts.append(row)
            longest = length
    return [slice(start, end) for start, end in pairwise([*starts, len(lengths)]) if start < end]


def collate(samples: Sequence[TokenizedSample], pad_id: int) -> TokenBatch:
    """Pad samples on the right, whatever side the tokenizer prefers, and stack them.

    Right padding leaves positions and causal attention of the real tokens as they are without it. What a processor
    gives for pictures only, such as kinds of tokens, is zero in texts.
    """
    width = max(len(sample.roles) for sample in samples)
    names = list(dict.fromkeys(name for sample in samples for name in sample.tokens))
    tokens = {name: torch.cat([_padded(sample, name, width, pad_id) for sample in samples]) for name in names}
    return TokenBatch(tuple(samples), tokens)


def _padded(sample: TokenizedSample, name: str, width: int, pad_id: int) -> torch.Tensor:
    values = sample.tokens.get(name, torch.zeros_like(sample.tokens["input_ids"]))
    missing = (0, width - len(sample.roles))
    return torch.nn.functional.pad(values, missing, value=pad_id if name == "input_ids" else 0)


def _apply(speech: Speech, sample: SampleInput, rendered: str) -> tuple[str, dict[str, Any]]:
    """Return the text that was tokenised, its image placeholders expanded, and the outputs with offsets into it."""
    processor = speech.processor
    bos = processor.tokenizer.bos_token
    options = {
        "return_offsets_mapping": True,
        "return_tensors": "pt",
        "add_special_tokens": not (bos and rendered.startswith(bos)),
    }
    if sample.image is None and not speech.takes_texts:
        return rendered, dict(processor.tokenizer([rendered], **speech.family.text_options, **options))
    pictures = {} if sample.image is None else {"images": [speech.family.shown(sample.image)]}
    with _listening(processor) as heard:
        outputs = dict(processor(text=[rendered], **pictures, **options))
    return heard[-1], outputs


@contextmanager
def _listening(processor: Any) -> Iterator[list[str]]:
    """Collect the texts that a processor hands to its tokenizer: what it adds and expands can be seen only there."""
    tokenizer, heard = processor.tokenizer, list[str]()
    processor.tokenizer = _Listener(tokenizer, heard)
    try:
        yield heard
    finally:
        processor.tokenizer = tokenizer


class _Listener:
    def __init__(self, tokenizer: Any, heard: list[str]) -> None:
        self._tokenizer = tokenizer
        self._heard = heard

    def __call__(self, text: Any, *args: Any, **options: Any) -> Any:
        self._heard += [text] if isinstance(text, str) else text
        return self._tokenizer(text, *args, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)


def _roles(sample: SampleInput, expanded: str, spans: Spans, offsets: Sequence[Span]) -> Roles:
    """Return the roles that words give their tokens; all else is template, or the system's turn."""
    roles = np.full(len(offsets), TEMPLATE, dtype=np.uint8)
    start, end = spans.system
    roles[[first < end and last > start for first, last in offsets]] = SYSTEM
    # Text comes last, so that a token which straddles both, such as '.\n', counts as text.
    for role, span in ((PROMPT, spans.instruction), (TEXT, spans.text)):
        inside = np.array([start < span[1] and end > span[0] for start, end in offsets])
        _check_cover(sample, expanded, span, [offset for offset, hit in zip(offsets, inside, strict=True) if hit])
        roles[inside] = role
    return roles


def _check_cover(sample: SampleInput, expanded: str, span: Span, offsets: Sequence[Span]) -> None:
    covered = np.zeros(len(expanded) + 1, dtype=bool)
    for start, end in offsets:
        covered[start:end] = True
    missing = [n for n in range(*span) if not covered[n] and not _may_vanish(expanded[n])]
    if missing:
        shown = expanded[missing[0]]
        raise SampleError(*_key(sample), f"has characters of which the tokenizer tells no token, such as {shown!r}")


def _may_vanish(character: str) -> bool:
    """Say whether a tokenizer may drop a character, or melt it into the one before: blanks, accents, control signs."""
    return character.isspace() or bool(unicodedata.combining(character)) or unicodedata.category(character)[0] == "C"
