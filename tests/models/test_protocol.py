"""What the paper's code does where a family differs: states before the final norm, a black picture with texts."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline_core.models.representations import pooled_representations
from pipeline_core.models.samples import IMAGE, SampleInput
from tests.models import tiny
from tests.models.conformance import load, states_of
from tests.models.tiny_families import save
from tests.models.tiny_generative import GENERATIVE

TEXT = SampleInput("text", "text", None, "a red heart", "Summarize the above sentence in one word:")
PICTURE = SampleInput("picture", "image", tiny.picture(0), None, "Summarize the above image in one word:")


@pytest.mark.parametrize(("name", "before"), [("qwen3_vl", True), ("qwen2_vl", False)])
def test_released_states_of_qwen3_vl_alone_are_before_the_final_norm(name: str, before: bool, tmp_path: Path) -> None:
    folder = save(tmp_path / name, GENERATIVE[name])
    normed, released = load(folder), load(folder, hidden_state="released")
    for own, theirs in zip(states_of(normed, [TEXT, PICTURE]), states_of(released, [TEXT, PICTURE]), strict=True):
        np.testing.assert_array_equal(own[:-1], theirs[:-1])
        last = torch.from_numpy(theirs[-1])
        after = released._decoder.norm(last).detach().numpy() if before else theirs[-1]
        np.testing.assert_allclose(after, own[-1], atol=1e-5)
        assert np.allclose(theirs[-1], own[-1], atol=1e-3) is not before
    positions = {rep.layer: rep.norm_position for rep in released.representations(None)}
    assert positions[released.n_layers] == ("raw" if before else "final_norm")


def test_a_layer_is_told_by_its_name_wherever_its_states_are_taken() -> None:
    told, other = (pooled_representations("m", 2, 2, "causal", normed=normed) for normed in (True, False))
    assert [rep.rep_id for rep in told] == [rep.rep_id for rep in other]
    assert {rep.norm_position for rep in other} == {"raw"}


@pytest.fixture(scope="module")
def paligemma_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_paligemma(tmp_path_factory.mktemp("paligemma"))


def test_a_text_is_shown_with_a_black_picture(paligemma_folder: Path) -> None:
    released = load(paligemma_folder, text_picture="released")
    (sample,) = released.prepare([TEXT]).samples
    assert (sample.roles == IMAGE).sum() == tiny.N_PATCHES
    black = SampleInput("b", "text", Image.new("RGB", (40, 50)), TEXT.text, TEXT.instruction)
    np.testing.assert_allclose(states_of(released, [TEXT])[0], states_of(released, [black])[0], atol=1e-6)
    np.testing.assert_allclose(
        states_of(released, [PICTURE])[0], states_of(load(paligemma_folder), [PICTURE])[0], atol=1e-6
    )


def test_other_families_get_no_picture(tmp_path: Path) -> None:
    llava = load(tiny.save_llava(tmp_path / "llava"), text_picture="released")
    assert not llava.prepare([TEXT]).samples[0].vision
