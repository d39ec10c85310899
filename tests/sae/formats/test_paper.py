from pathlib import Path

import pytest
import torch

from pipeline_core.errors import ModelError
from pipeline_core.sae.formats import Provenance, read_any
from pipeline_core.sae.formats.paper import MEMBER
from tests.sae.artifacts import start_topk
from tests.sae.formats.files import paper_file


def test_the_releases_equation_is_what_is_read(tmp_path: Path) -> None:
    state = paper_file(tmp_path / "sae.pt")
    read = MEMBER.read(tmp_path / "sae.pt")
    assert (read.format, read.facts) == ("paper", {"epoch": 4})
    assert read.sae.config() == {"k": 50, "apply_b_dec_to_input": False, "rescale_acts_by_decoder_norm": False}
    vectors = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    activations = torch.relu(vectors @ state["encoder.final_block.0.weight"].T + state["encoder.final_block.0.bias"])
    threshold = activations.sort(descending=True).values[:, 49:50]
    codes = torch.where(activations >= threshold, activations, 0.0)
    rows = state["dictionary._weights"]
    expected = codes @ (rows / rows.norm(dim=1, keepdim=True) * torch.exp(torch.tensor(0.7)))
    torch.testing.assert_close(read.sae.decode(read.sae.encode(vectors)), expected)


def test_k_may_be_told(tmp_path: Path) -> None:
    paper_file(tmp_path / "sae.pt")
    assert MEMBER.read(tmp_path / "sae.pt", 7).sae.config()["k"] == 7
    with pytest.raises(ModelError, match="k = 61 is not a number from 1 to the number of features, 60"):
        MEMBER.read(tmp_path / "sae.pt", 61)


def test_only_files_of_the_release_are_recognised(tmp_path: Path) -> None:
    paper_file(tmp_path / "sae.pt")
    torch.save({"state_dict": {"weight": torch.zeros(2)}}, tmp_path / "other.pt")
    (tmp_path / "text.pt").write_text("dictionary._weights")
    assert MEMBER.recognise(tmp_path / "sae.pt")
    for name in ("other.pt", "text.pt", "absent.pt", "."):
        assert not MEMBER.recognise(tmp_path / name)


def test_a_checkpoint_may_not_run_code(tmp_path: Path) -> None:
    paper_file(tmp_path / "sae.pt", logs=Path("anything but a log"))
    with pytest.raises(ModelError, match=r"sae\.pt cannot be read"):
        MEMBER.read(tmp_path / "sae.pt")


@pytest.mark.parametrize("state", [{"weight": torch.zeros(2)}, {"encoder.final_block.0.weight": "text"}, None])
def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path, state: object) -> None:
    paper_file(tmp_path / "sae.pt", model_state=state)
    with pytest.raises(ModelError, match=r"lacks the tensors encoder\.final_block\.0\.weight"):
        MEMBER.read(tmp_path / "sae.pt")
    with pytest.raises(ModelError, match="cannot be read"):
        MEMBER.read(tmp_path / "absent.pt")


@pytest.mark.parametrize(("width", "n_features"), [(6, 60), (3584, 64)])
def test_features_of_unit_norm_are_to_the_last_bit_the_same_there_and_back(
    tmp_path: Path, width: int, n_features: int
) -> None:
    sae = start_topk(torch.zeros(width), n_features, 50, False)
    MEMBER.write(tmp_path / "sae.pt", sae, Provenance("tiny/mine", "tiny", "L4/final_norm"))
    again = read_any(tmp_path / "sae.pt").sae
    assert again.config() == sae.config()
    for name, tensor in sae.tensors().items():
        assert torch.equal(again.tensors()[name], tensor), name


def test_features_of_a_length_near_one_keep_it(tmp_path: Path) -> None:
    sae = start_topk(torch.zeros(6), 60, 50, False)
    with torch.no_grad():
        sae.dictionary.mul_(1.000008)
    MEMBER.write(tmp_path / "sae.pt", sae, Provenance("tiny/mine", "tiny", "L4/final_norm"))
    torch.testing.assert_close(read_any(tmp_path / "sae.pt").sae.dictionary, sae.dictionary, rtol=1e-6, atol=0)
