"""LamRA-Ret (Liu et al. 2024) over Qwen2-VL: the user's turn asks for one word, and where it would begin is pooled.

After ``demo.py``, ``dataset/datasets_mbeir.py`` and ``models/qwen2_vl.py`` of Code-kunkun/LamRA. There ``<emb>`` is the
answer, and the state of the token before it is taken: what follows that token changes nothing, and is left out. Tokens
are counted one by one, whatever the shape of a picture. M-BEIR's own tidying of texts is left to the data set.
"""

import re

from pipeline_core.models.families._embedder import QWEN2_VL, PublishedEmbedder, joined, qwen_chat
from pipeline_core.models.samples import SampleInput


class _LamRA(PublishedEmbedder):
    name = "lamra"
    model_types = QWEN2_VL
    names = re.compile(r"lamra(?!.*rank)", re.IGNORECASE)
    grid_places = False

    def layout(self, sample: SampleInput) -> str:
        words = joined(sample, self.instruction(sample))
        given = [part for part, there in (("image", sample.image), ("sentence", words)) if there]
        asked = f"\nSummarize above {' and '.join(given)} in one word: "
        return qwen_chat(sample, "You are a helpful assistant.", words + asked)


MEMBER = _LamRA()
