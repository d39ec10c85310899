"""VLM2Vec (Jiang et al. 2024) over Qwen2-VL or LLaVA-NeXT: picture, instruction and text in one line, and no template.

After the model cards of TIGER-Lab/VLM2Vec-Qwen2VL-2B and its kin, vLLM's ``template_vlm2vec_qwen2vl.jinja``, and
``process_input_text`` of TIGER-AI-Lab/VLM2Vec (whose benchmark adds a line break). A picture's placeholder stands there
without the markers around it, by which Qwen2-VL would know where a picture begins: its tokens are counted one by one.
"""

import re
from types import MappingProxyType

from pipeline_core.models.families._embedder import QWEN2_VL, QWEN2_VL_7B, PublishedEmbedder, joined
from pipeline_core.models.samples import SampleInput


class _Vlm2Vec(PublishedEmbedder):
    name = "vlm2vec"
    model_types = QWEN2_VL | {"llava_next"}
    names = re.compile("vlm2vec", re.IGNORECASE)
    grid_places = False
    released = MappingProxyType({"TIGER-Lab/VLM2Vec-Qwen2VL-7B": QWEN2_VL_7B})

    def layout(self, sample: SampleInput) -> str:
        words = joined(sample, self.instruction(sample))
        return words if sample.image is None else "{image} " + words

    def instruction(self, sample: SampleInput) -> str:
        own = super().instruction(sample)
        return "Represent the given image." if not own and sample.image is not None else own


MEMBER = _Vlm2Vec()
