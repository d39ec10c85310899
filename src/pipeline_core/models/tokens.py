"""Samples as token batches: each sample is tokenised by itself, its tokens get roles, and padding goes on the right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pipeline_core.errors import DataError, ModelError
from pipeline_core.models.family import GenerativeFamily
from pipeline_core.models.prompts import Span, Spans
from pipeline_core.models.samples import IMAGE, PROMPT, TEMPLATE, TEXT, Roles, SampleInput

Inputs = dict[str, torch.Tensor]


@dataclass(frozen=True)
class TokenizedSample:
    """One sample as the model takes it.

    Attributes:
        sample: what it was made of.
        tokens: arguments with one value a token, each [1, tokens].
        vision: arguments of the vision tower; empty without a picture.
        roles: role of each token [tokens], positions in ``ROLES``.
    """

    sample: SampleInput
    tokens: Inputs
    vision: Inputs
    roles: Roles


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


def tokenize(
    family: GenerativeFamily, processor: Any, sample: SampleInput, picture_ids: frozenset[int], accepted: frozenset[str]
) -> TokenizedSample:
    """Apply chat template, image processor and tokenizer to one sample, and find the role of each token.

    A text goes through the tokenizer alone: some processors would add a picture to it.

    Args:
        family: the model's, which lays out the prompt.
        processor: the model's transformers processor, with a fast tokenizer.
        sample: the sample.
        picture_ids: ids of the tokens that stand for parts of a picture.
        accepted: names of the arguments that the model takes; the processor's other outputs are left out.

    Raises:
        DataError: the processor refuses the sample, e.g. because its text holds the image placeholder.
        ModelError: a token's origin cannot be told, or a picture became no token.
    """
    rendered = family.render(processor, sample)
    try:
        expanded, outputs = _apply(processor, sample, rendered, family.text_options)
    except (ValueError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"sample {sample.sample_id} cannot be prepared: {reason}", "correct or remove it") from None
    offsets = [(int(start), int(end)) for start, end in outputs.pop("offset_mapping")[0]]
    roles = _roles(sample, expanded, family.spans(expanded, sample), offsets)
    if sample.image is not None:
        pictures = torch.isin(outputs["input_ids"][0], torch.tensor(sorted(picture_ids))).numpy()
        if not pictures.any():
            raise ModelError(f"the picture of sample {sample.sample_id} became no token", "check the model's processor")
        roles[pictures] = IMAGE
    outputs = {name: value for name, value in outputs.items() if name in accepted and isinstance(value, torch.Tensor)}
    length = outputs["input_ids"].shape
    tokens = {name: value for name, value in outputs.items() if value.shape[:2] == length}
    vision = {name: value for name, value in outputs.items() if name not in tokens}
    return TokenizedSample(sample, tokens, vision, roles)


def collate(samples: Sequence[TokenizedSample], pad_id: int) -> TokenBatch:
    """Pad samples on the right, whatever side the tokenizer prefers, and stack them.

    Right padding leaves positions and causal attention of the real tokens as they are without it.
    """
    width = max(len(sample.roles) for sample in samples)
    tokens = {
        name: torch.cat(
            [
                torch.nn.functional.pad(
                    sample.tokens[name], (0, width - len(sample.roles)), value=pad_id if name == "input_ids" else 0
                )
                for sample in samples
            ]
        )
        for name in samples[0].tokens.keys() & _names_in_all(samples)
    }
    return TokenBatch(tuple(samples), tokens)


def _names_in_all(samples: Sequence[TokenizedSample]) -> frozenset[str]:
    return frozenset.intersection(*(frozenset(sample.tokens) for sample in samples))


def _apply(
    processor: Any, sample: SampleInput, rendered: str, text_options: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Return the text that was tokenised, its image placeholders expanded, and the outputs with offsets into it."""
    bos = processor.tokenizer.bos_token
    options = {
        "return_offsets_mapping": True,
        "return_tensors": "pt",
        "add_special_tokens": not (bos and rendered.startswith(bos)),
    }
    if sample.image is None:
        return rendered, dict(processor.tokenizer(rendered, **text_options, **options))
    _, texts, *_ = processor.prepare_inputs_layout(images=[sample.image], text=[rendered])
    outputs = dict(processor(images=[sample.image], text=[rendered], return_text_replacement_offsets=True, **options))
    return _expand(texts[0], outputs.pop("text_replacement_offsets")[0]), outputs


def _expand(text: str, replacements: Sequence[Mapping[str, Any]]) -> str:
    parts, position = [], 0
    for replacement in replacements:
        start, end = replacement["span"]
        parts += [text[position:start], replacement["replacement"]]
        position = end
    return "".join([*parts, text[position:]])


def _roles(sample: SampleInput, expanded: str, spans: Spans, offsets: Sequence[Span]) -> Roles:
    """Return the roles that words give their tokens; all else is template."""
    roles = np.full(len(offsets), TEMPLATE, dtype=np.uint8)
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
    missing = [n for n in range(*span) if not covered[n] and not expanded[n].isspace()]
    if missing:
        raise ModelError(
            f"the tokenizer does not tell which tokens hold character {missing[0]} of sample {sample.sample_id}",
            "use a model with a fast tokenizer that keeps offsets",
        )
