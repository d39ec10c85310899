"""A processor that another process loads is as the settings of the model say."""

from pathlib import Path

from PIL import Image

from pipeline_core.models.samples import ROLES, SampleInput
from tests.models.conformance import assert_embedded_alike, load, prepared_elsewhere
from tests.models.tiny_embedders import EMBEDDERS
from tests.models.tiny_families import save


def test_max_pixels_count_in_other_processes_too(tmp_path: Path) -> None:
    folder = save(tmp_path / "gme-Qwen2-VL-2B-Instruct", EMBEDDERS["gme-Qwen2-VL-2B-Instruct"])
    large, few = [SampleInput("large", "p", Image.new("RGB", (900, 700), "red"))], {"max_pixels": 100 * 16**2}
    embedder = load(folder, **few)
    here = embedder.embed(large, embedder.representations(None), ROLES)
    assert here.n_tokens.max() < 150
    assert_embedded_alike(prepared_elsewhere(embedder, large, **few), here)
