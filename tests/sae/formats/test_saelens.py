import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline_core.errors import ModelError
from pipeline_core.sae.artifact import code_limits, load_dictionary, read_sae, read_sae_id
from pipeline_core.sae.formats import Provenance
from pipeline_core.sae.formats.saelens import MEMBER
from tests.sae.artifacts import start_topk
from tests.sae.formats.files import saelens_folder

PROVENANCE = Provenance("tiny/centred", "tiny", "L4/final_norm")


def write(folder: Path) -> dict[str, torch.Tensor]:
    sae = start_topk(torch.arange(6.0), 10, 3, True)
    MEMBER.write(folder, sae, PROVENANCE)
    return sae.state()


def test_an_autoencoder_survives_its_files(tmp_path: Path) -> None:
    state = write(tmp_path)
    again = read_sae(tmp_path)
    assert state.keys() == again.state().keys() == {"encoder", "encoder_bias", "dictionary", "decoder_bias"}
    for name, tensor in again.state().items():
        assert torch.equal(tensor, state[name])
    assert again.config() == {"k": 3, "apply_b_dec_to_input": True, "rescale_acts_by_decoder_norm": False}


def test_other_stages_read_id_dictionary_and_limits(tmp_path: Path) -> None:
    state = write(tmp_path)
    assert read_sae_id(tmp_path) == "tiny/centred"
    assert torch.equal(torch.from_numpy(load_dictionary(tmp_path)), state["dictionary"].detach())
    assert code_limits(tmp_path) == {"k": 3, "width": 10}


def test_layout_is_that_of_saelens(tmp_path: Path) -> None:
    write(tmp_path)
    shapes = {name: tuple(t.shape) for name, t in load_file(tmp_path / "sae_weights.safetensors").items()}
    assert shapes == {"W_enc": (6, 10), "b_enc": (10,), "W_dec": (10, 6), "b_dec": (6,)}
    config = json.loads((tmp_path / "cfg.json").read_text())
    assert (config["architecture"], config["d_in"], config["d_sae"], config["k"]) == ("topk", 6, 10, 3)
    assert config["apply_b_dec_to_input"] is True
    metadata = {"sae_id": "tiny/centred", "model_name": "tiny", "hook_name": "L4/final_norm"}
    assert config["metadata"] == {"sae_lens_version": "6.22.1", "sae_lens_training_version": None, **metadata}


def test_saelens_keeps_what_the_files_say_of_the_origin(tmp_path: Path) -> None:
    """Its loader takes a config whose metadata tell no version from 6.0 on for an old one, and drops such metadata."""
    write(tmp_path)
    config = json.loads((tmp_path / "cfg.json").read_text())
    major = int(config["metadata"]["sae_lens_version"].partition(".")[0])
    accepted = {"d_in", "d_sae", "dtype", "device", "apply_b_dec_to_input", "normalize_activations"}
    accepted |= {"reshape_activations", "metadata", "architecture", "k", "rescale_acts_by_decoder_norm"}
    assert major >= 6
    assert set(config) == accepted


def test_a_folder_of_saelens_is_recognised_and_read_with_what_it_says_of_itself(tmp_path: Path) -> None:
    tensors = saelens_folder(tmp_path / "sae")
    assert MEMBER.recognise(tmp_path / "sae")
    assert not MEMBER.recognise(tmp_path)
    read = MEMBER.read(tmp_path / "sae")
    assert read.format == "saelens"
    assert read.facts["hook_name"] == "blocks.3.hook"
    vectors = torch.randn(5, 6, generator=torch.Generator().manual_seed(2))
    kept = torch.relu((vectors - tensors["b_dec"]) @ tensors["W_enc"] + tensors["b_enc"]).topk(4, dim=1)
    expected = torch.zeros(5, 20).scatter(1, kept.indices, kept.values) @ tensors["W_dec"] + tensors["b_dec"]
    torch.testing.assert_close(read.sae.decode(read.sae.encode(vectors)), expected)


def test_half_precision_is_read_as_single(tmp_path: Path) -> None:
    tensors = saelens_folder(tmp_path / "sae", dtype="bfloat16")
    halves = {name: tensor.bfloat16() for name, tensor in tensors.items()}
    save_file(halves, tmp_path / "sae" / "sae_weights.safetensors")
    sae = MEMBER.read(tmp_path / "sae").sae
    assert torch.equal(sae.dictionary, halves["W_dec"].float())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("architecture", "matching_pursuit"),
        ("architecture", ["topk"]),
        ("reshape_activations", "hook_z"),
        *(
            ("normalize_activations", kind)
            for kind in ("expected_average_only_in", "constant_norm_rescale", "layer_norm")
        ),
        ("k", ...),
        ("k", 21),
        ("k", True),
        ("d_in", 7),
        ("d_sae", 21),
        ("apply_b_dec_to_input", ...),
        ("architecture", ...),
    ],
)
def test_what_is_not_supported_is_told_in_one_line(tmp_path: Path, field: str, value: object) -> None:
    saelens_folder(tmp_path / "sae", **{field: value})
    with pytest.raises(ModelError, match=field) as error:
        MEMBER.read(tmp_path / "sae")
    assert "\n" not in str(error.value)
    assert str(tmp_path / "sae") in str(error.value)


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_weights_that_are_none_are_refused_with_their_file(tmp_path: Path, value: float) -> None:
    tensors = saelens_folder(tmp_path / "sae")
    save_file({**tensors, "W_enc": torch.full((6, 20), value)}, tmp_path / "sae" / "sae_weights.safetensors")
    with pytest.raises(ModelError, match=r"sae: the tensor W_enc is all zero or not finite; copy it again"):
        MEMBER.read(tmp_path / "sae")


def test_a_k_that_contradicts_the_file_is_refused(tmp_path: Path) -> None:
    saelens_folder(tmp_path / "sae")
    assert MEMBER.read(tmp_path / "sae", 4).sae.config()["k"] == 4
    with pytest.raises(ModelError, match="has k = 4, not 5; leave k out"):
        MEMBER.read(tmp_path / "sae", 5)


@pytest.mark.parametrize("text", [None, "{", "[]", "{}"])
def test_unusable_config_is_told_in_one_line(tmp_path: Path, text: str | None) -> None:
    write(tmp_path)
    (tmp_path / "cfg.json").unlink()
    if text is not None:
        (tmp_path / "cfg.json").write_text(text)
    with pytest.raises(ModelError, match=r"cfg\.json") as error:
        read_sae(tmp_path)
    assert "\n" not in str(error.value)


def test_unusable_weights_are_told_in_one_line(tmp_path: Path) -> None:
    write(tmp_path)
    weights = tmp_path / "sae_weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(ModelError, match="cannot be read"):
        read_sae(tmp_path)
    save_file({"W_enc": torch.zeros(2, 2)}, weights)
    with pytest.raises(ModelError, match="lacks the tensors b_enc, W_dec, b_dec"):
        read_sae(tmp_path)
    shapes = {"W_enc": (6, 9), "b_enc": (10,), "W_dec": (10, 6), "b_dec": (6,)}
    save_file({name: torch.zeros(shape) for name, shape in shapes.items()}, weights)
    with pytest.raises(ModelError, match=r"W_enc has the shape \(6, 9\), .* W_enc is \[D, S\]"):
        read_sae(tmp_path)
