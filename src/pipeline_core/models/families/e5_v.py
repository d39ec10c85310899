"""E5-V (Jiang et al. 2024) over LLaVA-NeXT with Llama 3: it is asked for one word, and follows no other instruction.

After README.md and ``retrieval.py`` of kongds/E5-V. There a picture with a text is asked for by the data set ("Modify
this image with ..."); here it is as for any data set in ``e5_v_prompt_template`` of TIGER-AI-Lab/VLM2Vec.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipeline_core.models.families._embedder import PublishedEmbedder
from pipeline_core.models.family import Traits
from pipeline_core.models.samples import SampleInput

_USER, _ANSWER = "<|start_header_id|>user<|end_header_id|>\n\n", "<|start_header_id|>assistant<|end_header_id|>\n\n \n"


class _E5V(PublishedEmbedder):
    name = "e5_v"
    model_types = frozenset({"llava_next"})
    names = re.compile(r"e5[-_]v\b", re.IGNORECASE)

    def traits(self, model: str) -> Traits:
        return replace(super().traits(model), prompts=False)

    def layout(self, sample: SampleInput) -> str:
        if sample.image is None:
            asked = "{text}\nSummary above sentence in one word: "
        elif sample.text:
            asked = "{image}\n{text}\nSummary above image and text in one word: "
        else:
            asked = "{image}\nSummary above image in one word: "
        return f"{_USER}{asked}<|eot_id|>{_ANSWER}"

    def instruction(self, sample: SampleInput) -> str:
        return ""

    def load_processor(self, place: str, options: Mapping[str, Any]) -> Any:
        from transformers import AutoConfig  # noqa: PLC0415

        processor = super().load_processor(place, options)
        if processor.patch_size is None:  # it was published when models, not processors, gave a picture its tokens
            config = AutoConfig.from_pretrained(place, **options)
            processor.patch_size = config.vision_config.patch_size
            processor.vision_feature_select_strategy = config.vision_feature_select_strategy
            processor.num_additional_image_tokens = 1
        return processor


MEMBER = _E5V()
