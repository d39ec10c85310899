import json
from collections import defaultdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline_core.errors import ModelError
from pipeline_core.sae.checkpoints import Provenance, read_paper_checkpoint, read_sae, read_sae_id, write_sae
from pipeline_core.sae.topk import TopKModule, TopKSae, decode, encode

PROVENANCE = Provenance("tiny/centred", "tiny", "centred", "L4/final_norm")


def small_sae() -> TopKSae:
    return TopKModule(torch.arange(6.0), 10, 3, "centred", torch.Generator().manual_seed(0)).freeze()


def paper_file(path: Path, **changes: object) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    state = {
        "encoder.final_block.0.weight": torch.randn(60, 6, generator=generator),
        "encoder.final_block.0.bias": torch.randn(60, generator=generator),
        "dictionary._weights": 3 * torch.randn(60, 6, generator=generator),
        "dictionary.multiplier": torch.tensor(0.7),
    }
    logs = defaultdict(list, {"loss": [1.0, 0.5]})
    stored = {"epoch": 4, "model_state": state, "optimizer_state": {}, "logs": logs} | changes
    torch.save(stored, path)
    return state


def test_sae_survives_its_files(tmp_path: Path) -> None:
    sae = small_sae()
    write_sae(tmp_path, sae, PROVENANCE)
    again = read_sae(tmp_path)
    for name in ("encoder", "encoder_bias", "dictionary", "decoder_bias"):
        assert torch.equal(getattr(sae, name), getattr(again, name))
    assert (again.k, again.centred) == (3, True)
    assert read_sae_id(tmp_path) == "tiny/centred"


def test_layout_is_that_of_saelens(tmp_path: Path) -> None:
    write_sae(tmp_path, small_sae(), PROVENANCE)
    shapes = {name: tuple(t.shape) for name, t in load_file(tmp_path / "sae_weights.safetensors").items()}
    assert shapes == {"W_enc": (6, 10), "b_enc": (10,), "W_dec": (10, 6), "b_dec": (6,)}
    config = json.loads((tmp_path / "cfg.json").read_text())
    assert (config["architecture"], config["d_in"], config["d_sae"], config["k"]) == ("topk", 6, 10, 3)
    assert config["apply_b_dec_to_input"] is True
    assert config["metadata"] == vars(PROVENANCE)


def test_paper_checkpoint_becomes_an_artifact(tmp_path: Path) -> None:
    state = paper_file(tmp_path / "sae.pt")
    write_sae(tmp_path, read_paper_checkpoint(tmp_path / "sae.pt"), PROVENANCE)
    sae = read_sae(tmp_path)
    assert (sae.k, sae.centred) == (50, False)
    vectors = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    activations = torch.relu(vectors @ state["encoder.final_block.0.weight"].T + state["encoder.final_block.0.bias"])
    threshold = activations.sort(descending=True).values[:, 49:50]
    codes = torch.where(activations >= threshold, activations, 0.0)
    rows = state["dictionary._weights"]
    expected = codes @ (rows / rows.norm(dim=1, keepdim=True) * torch.exp(torch.tensor(0.7)))
    torch.testing.assert_close(decode(sae, encode(sae, vectors)), expected)


def test_paper_checkpoint_may_not_run_code(tmp_path: Path) -> None:
    paper_file(tmp_path / "sae.pt", logs=Path("anything but a log"))
    with pytest.raises(ModelError, match=r"sae\.pt cannot be read"):
        read_paper_checkpoint(tmp_path / "sae.pt")


def test_paper_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    paper_file(tmp_path / "sae.pt", model_state={"weight": torch.zeros(2)})
    with pytest.raises(ModelError, match=r"lacks the tensors encoder\.final_block\.0\.weight"):
        read_paper_checkpoint(tmp_path / "sae.pt")
    with pytest.raises(ModelError, match="cannot be read"):
        read_paper_checkpoint(tmp_path / "absent.pt")


@pytest.mark.parametrize(
    ("field", "value"),
    [("architecture", "jumprelu"), ("normalize_activations", "layer_norm"), ("rescale_acts_by_decoder_norm", True)],
)
def test_what_a_plain_topk_lacks_is_refused(tmp_path: Path, field: str, value: object) -> None:
    write_sae(tmp_path, small_sae(), PROVENANCE)
    config = json.loads((tmp_path / "cfg.json").read_text())
    (tmp_path / "cfg.json").write_text(json.dumps(config | {field: value}))
    with pytest.raises(ModelError, match=field):
        read_sae(tmp_path)


@pytest.mark.parametrize("text", [None, "{", "[]", "{}"])
def test_unusable_config_is_told_in_one_line(tmp_path: Path, text: str | None) -> None:
    write_sae(tmp_path, small_sae(), PROVENANCE)
    (tmp_path / "cfg.json").unlink()
    if text is not None:
        (tmp_path / "cfg.json").write_text(text)
    with pytest.raises(ModelError, match=r"cfg\.json") as error:
        read_sae(tmp_path)
    assert "\n" not in str(error.value)


def test_unusable_weights_are_told_in_one_line(tmp_path: Path) -> None:
    write_sae(tmp_path, small_sae(), PROVENANCE)
    weights = tmp_path / "sae_weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(ModelError, match="cannot be read"):
        read_sae(tmp_path)
    save_file({"W_enc": torch.zeros(2, 2)}, weights)
    with pytest.raises(ModelError, match="lacks the tensors b_enc, W_dec, b_dec"):
        read_sae(tmp_path)
