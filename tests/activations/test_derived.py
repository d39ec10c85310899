"""What is worked out from stored means is the mean that pooling the tokens themselves gives."""

from pathlib import Path

import numpy as np
import polars as pl
import torch

from pipeline_core.activations.derived import WORDLESS, load_without_words
from pipeline_core.activations.spilled import Room
from pipeline_core.models.pooling import pool, token_mask
from pipeline_core.models.representations import MASKS
from pipeline_core.models.samples import IMAGE, PROMPT, TEMPLATE, TEXT
from pipeline_core.schema.parquet import write_table

ROLES = {
    "picture": [TEMPLATE, IMAGE, IMAGE, PROMPT, PROMPT, TEMPLATE],
    "text": [TEMPLATE, TEXT, PROMPT, TEMPLATE],
    "both": [IMAGE, IMAGE, IMAGE, TEXT, TEXT, PROMPT],
    "words alone": [TEXT, TEXT, PROMPT],
}


def test_the_mean_without_words_is_that_of_picture_and_template(tmp_path: Path) -> None:
    names, roles = [*ROLES], [np.array(of, dtype=np.uint8) for of in ROLES.values()]
    states = 100 * torch.randn(4, 6, 5, generator=torch.Generator().manual_seed(0))
    for shard, mask in enumerate(MASKS):
        kept = token_mask(roles, mask, 6)
        rows = {
            "rep_id": mask,
            "sample_id": names,
            "prompt_id": "p",
            "n_tokens": kept.sum(1).numpy(),
            "vector": pool(states, kept, "mean").tolist(),
        }
        write_table(tmp_path, "embeddings", pl.DataFrame(rows), shard=shard)
    masks = {mask: mask for mask in WORDLESS}
    derived, spilled = (load_without_words(tmp_path, masks, room) for room in (None, Room(16, tmp_path)))
    found = derived.take(derived.rows_of(names, "p"))
    np.testing.assert_array_equal(spilled.take(spilled.rows_of(names, "p")), found)
    for row, own in enumerate(roles):
        wanted = (own == IMAGE) | (own == TEMPLATE)
        expected = states[row, : len(own)][wanted if wanted.any() else ~wanted].double().mean(0)
        np.testing.assert_allclose(found[row], expected, rtol=1e-5, atol=1e-4)
