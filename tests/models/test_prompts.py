"""The system's turn that a chat template writes by itself is found by what prompts have in front, in any family."""

from types import SimpleNamespace
from typing import Any

import jinja2
import pytest

from pipeline_core.models.families.gme import MEMBER as GME
from pipeline_core.models.families.vlm2vec import MEMBER as VLM2VEC
from pipeline_core.models.prompts import system_turn
from pipeline_core.models.samples import SampleInput

_WORDS = "{% for part in m.content %}{{ part.text }}{% endfor %}"
_TURN = "<|im_start|>{{ m.role }}\n" + _WORDS + "<|im_end|>\n"
_GIVEN = "{% if messages[0].role == 'system' %}{{ messages[0].content[0].text }}{% endif %}"
_USERS = "{% for m in messages if m.role == 'user' %}<user>" + _WORDS + "<end>{% endfor %}"

TEMPLATES = {
    "a turn of its own": (
        "{% for m in messages %}{% if loop.first and m.role != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n"
        "{% endif %}" + _TURN + "{% endfor %}",
        "<|im_start|>system\nBe kind.<|im_end|>\n",
    ),
    "none": ("{% for m in messages %}" + _TURN + "{% endfor %}", ""),
    "none behind what begins every text": ("<s>{% for m in messages %}" + _TURN + "{% endfor %}", ""),
    "always, with room for words": (
        "<s><system>Today: 1 May\n" + _GIVEN + "<end>" + _USERS,
        "<s><system>Today: 1 May\n<end>",
    ),
    "whatever is given": (
        "<|im_start|>system\nBe kind.<|im_end|>\n{% for m in messages %}" + _TURN + "{% endfor %}",
        "<|im_start|>system\nBe kind.<|im_end|>\n",
    ),
    "within the user's turn": (
        "<s>{% for m in messages if m.role == 'user' %}<user>" + _GIVEN + _WORDS + "<end>{% endfor %}",
        "",
    ),
    "one role before all, and none of its own": (
        "<s>{% for m in messages %}{{ m.role }}: " + _WORDS + "\n{% endfor %}",
        "",
    ),
    "it refuses a system's turn": (
        "{% for m in messages %}{{ 1 // (m.role == 'user') }}" + _WORDS + "{% endfor %}",
        "",
    ),
}


class _Processor:
    """What transformers' processors do with a chat template."""

    def __init__(self, template: str) -> None:
        self.chat_template = template
        self.tokenizer = SimpleNamespace(all_special_tokens=["<s>"])

    def apply_chat_template(self, turns: list[dict[str, Any]], chat_template: str, tokenize: bool) -> str:
        assert not tokenize
        return jinja2.Template(chat_template).render(messages=turns)


@pytest.mark.parametrize("kind", TEMPLATES)
def test_the_systems_turn_is_what_a_template_writes_unasked(kind: str) -> None:
    template, expected = TEMPLATES[kind]
    assert system_turn(_Processor(template)) == expected


def test_makers_own_prompts_tell_the_systems_turn_by_their_layout() -> None:
    sample = SampleInput("s", "p", None, "a cat", "Find a picture.")
    laid_out = GME.layout(sample).format(text="a cat", instruction="Find a picture.")
    start, end = GME.spans(laid_out, sample).system
    assert laid_out[start:end] == "<|im_start|>system\nFind a picture.<|im_end|>\n"
    assert VLM2VEC.spans("Find a picture. a cat", sample).system == (0, 0)
