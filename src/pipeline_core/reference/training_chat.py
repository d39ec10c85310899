"""The frozen language model as training talks to it: a chat whose constant beginning is computed once."""

import torch
from transformers import DynamicCache, LlamaForCausalLM, PreTrainedTokenizerBase

from pipeline_core.model_facts import Rendering
from pipeline_core.reference.language import IMAGE_TOKEN


class FrozenChat:
    """A frozen language model after the words that precede every user turn.

    Caching their keys and values saves a third of the work of a training step.

    Attributes:
        model: the language model, without gradients of its own.
        tokenizer: with the chat template.
        prefix_states: last hidden states of the constant beginning [p, d], after the final norm.
    """

    def __init__(self, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase) -> None:
        self.model = model.requires_grad_(False).eval()
        self.tokenizer = tokenizer
        with torch.no_grad():
            output = model.model(input_ids=torch.tensor([self.before_picture()]), use_cache=True)
        self.prefix_states = output.last_hidden_state[0]
        self._prefix = [(keys, values) for keys, values, *_ in output.past_key_values]

    def before_picture(self) -> list[int]:
        """Return the ids of the constant beginning: the system prompt and the user turn's opening."""
        ids: list[int] = self.tokenizer.encode(self._halves("", "released")[0])
        return ids

    def after_picture(self, instruction: str, rendering: Rendering) -> list[int]:
        """Return the ids that follow a picture's tokens: the instruction on a new line, and how the prompt ends."""
        return self.after_text("", instruction, rendering)

    def after_text(self, text: str, instruction: str, rendering: Rendering) -> list[int]:
        """Return the ids of a user turn of words alone, after the constant beginning, and how the prompt ends."""
        words = f"{text}\n{instruction}{' ' * (rendering == 'released')}"
        ids: list[int] = self.tokenizer.encode(self._halves(words, rendering)[1])
        return ids

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the word embeddings [..., d] of ids [...]."""
        embedded: torch.Tensor = self.model.get_input_embeddings()(ids)
        return embedded

    def states(self, embedded: torch.Tensor) -> torch.Tensor:
        """Return the last hidden states [n, t, d], after the final norm, of what follows the constant beginning.

        Rows of unequal length are padded on the right: the causal mask keeps padding out of every real state.
        """
        n = len(embedded)
        prefix = DynamicCache(
            [(keys.expand(n, -1, -1, -1), values.expand(n, -1, -1, -1)) for keys, values in self._prefix]
        )
        output = self.model.model(inputs_embeds=embedded, past_key_values=prefix, use_cache=True)
        states: torch.Tensor = output.last_hidden_state
        return states

    def _halves(self, text: str, rendering: Rendering) -> tuple[str, str]:
        content = [{"type": "image"}, {"type": "text", "text": text}]
        chat = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=rendering == "generation"
        )
        before, after = chat.split(IMAGE_TOKEN)
        return before, after
