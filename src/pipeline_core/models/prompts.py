"""The prompt of a sample: the user turn of the model's chat template holds image, text, instruction on a new line."""

import re
from dataclasses import dataclass
from typing import Any

from pipeline_core.errors import SampleError
from pipeline_core.model_facts import Rendering
from pipeline_core.models.samples import SampleInput

Span = tuple[int, int]


@dataclass(frozen=True)
class Spans:
    """Where in a rendered prompt text, instruction and the system's turn stand, in characters; (n, n) if absent."""

    text: Span
    instruction: Span
    system: Span = (0, 0)


def user_text(sample: SampleInput, rendering: Rendering) -> str:
    """Return the words of the user turn: the sample's text, then the instruction on a new line."""
    text, instruction = _parts(sample)
    return f"{text}\n{instruction}{' ' * (rendering == 'released')}" if instruction else text


def render(processor: Any, sample: SampleInput, rendering: Rendering) -> str:
    """Render one sample as a conversation of one user turn.

    Samples are rendered one by one, because a chat template takes a list of messages as one conversation. A model
    without a template gets the words alone, after the image placeholder or the token that begins a text.

    Raises:
        SampleError: the template is broken, or refuses such a conversation.
    """
    content = [{"type": "image"}] if sample.image is not None else []
    content.append({"type": "text", "text": user_text(sample, rendering)})
    template = chat_template(processor)
    if template is None:
        start = processor.image_token if sample.image is not None else processor.tokenizer.bos_token or ""
        return f"{start}{user_text(sample, rendering)}"
    conversation, answers = [{"role": "user", "content": content}], rendering == "generation"
    try:
        rendered = processor.apply_chat_template(
            conversation, chat_template=template, add_generation_prompt=answers, tokenize=False
        )
    except Exception as error:  # a template is a program of the model's makers, which may fail as any does
        reason = " ".join(str(error).split()) or type(error).__name__
        reason = f"cannot be laid out by the model's chat template ({reason})"
        raise SampleError(sample.sample_id, sample.prompt_id, reason) from error
    return str(rendered)


def system_turn(processor: Any) -> str:
    """Return what a template writes before the user's turn where no system's turn is given: one of its own, or nothing.

    It is what the prompt has in front of what follows a system's turn that is given, unless that is but the token that
    begins every text.
    """
    template = chat_template(processor)
    words = {role: [{"type": "text", "text": f"words of the {role}"}] for role in ("system", "user")}
    system, user = ({"role": role, "content": content} for role, content in words.items())
    try:
        alone, told, plain = (
            str(processor.apply_chat_template(turns, chat_template=template, tokenize=False))
            for turns in ([system], [system, user], [user])
        )
    except Exception:  # as in render; a template need not take a system's turn
        return ""
    following = told.removeprefix(alone)
    before = plain.removesuffix(following)
    nothing = not following or following == told or before == plain or before in processor.tokenizer.all_special_tokens
    return "" if nothing else before


def find_spans(rendered: str, sample: SampleInput) -> Spans:
    """Find text and instruction in a rendered prompt.

    The last occurrence counts: a system prompt may hold the same words, but it comes earlier.

    Raises:
        SampleError: the template changed the words.
    """
    text, instruction = _parts(sample)
    # A template may trim the blank after an instruction.
    words = user_text(sample, "generation").strip()
    start = rendered.rfind(words)
    if start < 0:
        raise SampleError(sample.sample_id, sample.prompt_id, "has words that the model's chat template changes")
    end = start + len(words)
    blank = int(bool(instruction) and rendered.startswith(" ", end))
    return Spans(text=(start, start + len(text)), instruction=(end - len(instruction), end + blank))


def marker_pattern(processor: Any) -> re.Pattern[str]:
    """Return what finds a model's own markers in words: special tokens, and what its template or processor writes."""
    template = str(chat_template(processor) or "")
    added = processor.tokenizer.added_tokens_decoder.values()
    own = {token.content for token in added if token.special or token.content in template}
    own |= {value for name, value in vars(processor).items() if name.endswith("_token") and isinstance(value, str)}
    markers = sorted((token for token in own if len(token.strip()) > 1), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, markers)) or r"(?!)")


def without_markers(markers: re.Pattern[str], words: str) -> str:
    """Break a model's own markers by a blank: ``<image>`` becomes ``< image>``.

    Else they would end the turn, or ask for a picture that is not there.
    """
    return markers.sub(lambda found: f"{found[0][0]} {found[0][1:]}", words)


def chat_template(processor: Any) -> str | None:
    """Return what lays out a conversation; of several templates with names, the one called default."""
    told = getattr(processor, "chat_template", None) or processor.tokenizer.chat_template
    return told.get("default") if isinstance(told, dict) else told


def _parts(sample: SampleInput) -> tuple[str, str]:
    # Templates may trim the turn, so what is searched for has no outer blanks.
    return (sample.text or "").strip(), (sample.instruction or "").strip()
