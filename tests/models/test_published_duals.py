"""What dual encoders must hold under published models' processor settings and special tokens."""

import json

import numpy as np
import pytest
from transformers import AutoModel

from pipeline_core.models.families import FAMILIES
from pipeline_core.models.family import DualEncoderFamily
from pipeline_core.models.samples import SampleInput
from tests.models import published
from tests.models.conformance import Dual, loaded_dual
from tests.models.published import PUBLISHED_DUAL
from tests.models.test_dual_conformance import (  # noqa: F401
    test_a_checkpoint_without_one_of_its_weights_is_refused,
    test_it_is_served_by_its_family,
    test_samples_prepared_by_other_processes_are_embedded_alike,
    test_vectors_are_the_model_s_own,
    test_vectors_do_not_depend_on_the_batch,
)

pytestmark = pytest.mark.published

COUNTED = {
    # Cut at 77, of which the first and last are markers; what is missing is filled with the marker that ends.
    "clip": (77, (49406,), 49407, 49407),
    # Filled with the marker that ends, up to 64.
    "siglip": (64, (), 1, 1),
}
"""The most tokens of a text, the ids that begin it, the id that ends it, and the id that fills."""


@pytest.fixture(scope="module", params=PUBLISHED_DUAL)
def member(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dual:
    made = PUBLISHED_DUAL[request.param]
    return loaded_dual(made, published.save(tmp_path_factory.mktemp(request.param), made, AutoModel))


def test_texts_begin_end_and_are_filled_as_published(member: Dual, monkeypatch: pytest.MonkeyPatch) -> None:
    longest, begins, ends, fills = COUNTED[member.made.family]
    heard: list[list[list[int]]] = []
    call = member.embedder._call
    monkeypatch.setattr(
        member.embedder, "_call", lambda look, inputs: heard.append(inputs["input_ids"].tolist()) or call(look, inputs)
    )
    texts = ["a red heart", "two small dogs " * 40]
    member.embedder.vectors([SampleInput(text, "none", None, text) for text in texts])
    ((short, long),) = heard
    assert len(short) == len(long) == longest
    assert short[: len(begins)] == long[: len(begins)] == list(begins)
    end = short.index(ends)
    assert short[end:] == [ends, *[fills] * (longest - end - 1)]
    assert (long[-1], long.count(ends)) == (ends, 1)


@pytest.mark.parametrize("name", ["ViT-B-16-SigLIP", "ViT-B-16-SigLIP-512", "ViT-B-16-SigLIP2", "ViT-B-16-SigLIP2-512"])
def test_texts_are_as_long_as_the_makers_of_siglip_have_them(name: str) -> None:
    told = json.loads((published.PLACE / "open_clip-model-configs" / f"{name}.json").read_text(encoding="utf-8"))
    family = FAMILIES["siglip"]
    assert isinstance(family, DualEncoderFamily)
    assert told["text_cfg"]["context_length"] == family.text_length
    if name == "ViT-B-16-SigLIP2-512":
        size = family.released["google/siglip2-base-patch16-512"]
        picture = told["vision_cfg"]["image_size"] // 16
        assert (size.width, size.picture_tokens) == (told["embed_dim"], picture**2)


def test_the_end_marker_in_words_stays_words(member: Dual) -> None:
    """CLIP's config says that another token ends a text; it pools by the largest id."""
    end = member.embedder.processor.tokenizer.eos_token
    sample = SampleInput("odd", "none", None, f"a red {end} heart")
    broken = SampleInput("broken", "none", None, f"a red {end[0]} {end[1:]} heart")
    np.testing.assert_allclose(*member.embedder.vectors([sample, broken]), atol=1e-5)
