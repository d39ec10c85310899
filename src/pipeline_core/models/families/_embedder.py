"""Embedders made of generative models: their makers lay out the prompt, and the state of its last token is the vector.

All are published scaled to unit norm. Vectors are stored as they come, which cosines do not tell apart.
"""

from abc import abstractmethod
from dataclasses import replace
from typing import Any

from pipeline_core.dataset.prompts import PROMPTS
from pipeline_core.errors import SampleError
from pipeline_core.model_facts import Rendering
from pipeline_core.models.family import GenerativeFamily, Traits
from pipeline_core.models.prompts import Span, Spans
from pipeline_core.models.samples import SampleInput
from pipeline_core.models.size import ModelSize

QWEN2_VL = frozenset({"qwen2_vl"})
"""The model type that most of them were made of."""

QWEN2_VL_7B = ModelSize(8_291_375_616, False, 3584, 28, 18_944, 256, pixels_a_token=28**2)
"""The size of that model, and of what was made of it."""

_HOUSE = frozenset(PROMPTS.values())
_USER = "<|im_start|>user\n"
_PICTURE, _TEXT, _INSTRUCTION = "{image}", "{text}", "{instruction}"


class PublishedEmbedder(GenerativeFamily):
    """Models under their makers' own prompt, pooled by its last token."""

    templated = False

    def traits(self, model: str) -> Traits:
        """Return those of generative models that are pooled by the last token of a prompt of their own."""
        return replace(super().traits(model), pooling="last", lays_out=True)

    @abstractmethod
    def layout(self, sample: SampleInput) -> str:
        """Return a sample's prompt with ``{image}``, ``{text}`` and ``{instruction}`` for what it has of them."""

    def instruction(self, sample: SampleInput) -> str:
        """Return what the sample is embedded under: its own instruction, if it has one; a member knows what else.

        The prompts that ask any generative model for an embedding are none: embedders have their own ways to be asked.
        """
        return "" if sample.instruction in _HOUSE else super().instruction(sample)

    def render(self, processor: Any, sample: SampleInput, rendering: Rendering) -> str:
        """Return a sample's prompt, its image placeholder not yet expanded."""
        return self.layout(sample).format(image=processor.image_token, **self._words(sample))

    def spans(self, rendered: str, sample: SampleInput) -> Spans:
        """Find text and instruction by their places: from the beginning before a picture, from the end after it.

        Raises:
            SampleError: the processor changed the words.
        """
        before, _, after = self.layout(sample).partition(_PICTURE)
        words = self._words(sample)

        def find(mark: str) -> Span:
            word = mark.format(**words)
            if mark in before:
                start = len(before.partition(mark)[0].format(**words))
            elif mark in after:
                start = len(rendered) - len("".join(after.partition(mark)[1:]).format(**words))
            else:
                return 0, 0
            if not rendered.startswith(word, start):
                raise SampleError(sample.sample_id, sample.prompt_id, "has words that the model's processor changes")
            return start, start + len(word)

        turn = before[: before.find(_USER)].format(**words) if _USER in before else ""
        return Spans(text=find(_TEXT), instruction=find(_INSTRUCTION), system=(0, len(turn)))

    def system_turn(self, processor: Any) -> str:
        """Return nothing: it is told by each prompt's layout."""
        return ""

    def _words(self, sample: SampleInput) -> dict[str, str]:
        return {"text": sample.text or "", "instruction": self.instruction(sample)}


def joined(sample: SampleInput, instruction: str) -> str:
    """Return the layout of instruction and text with a blank between them, of those that are given."""
    return " ".join(mark for mark, given in ((_INSTRUCTION, instruction), (_TEXT, sample.text)) if given)


def qwen_chat(sample: SampleInput, system: str, user: str) -> str:
    """Return the layout of a conversation in Qwen's markers: the system's turn, the user's with the picture first.

    It ends where an answer would begin.
    """
    picture = f"<|vision_start|>{_PICTURE}<|vision_end|>" if sample.image is not None else ""
    turns = f"<|im_start|>system\n{system}<|im_end|>\n{_USER}{picture}{user}<|im_end|>\n"
    return f"{turns}<|im_start|>assistant\n"
