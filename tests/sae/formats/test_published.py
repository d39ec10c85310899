"""Autoencoders of other packages: codes and reconstructions are theirs, there and back is the same, no code runs."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipeline_core.errors import ModelError
from pipeline_core.sae.architectures import Sae
from pipeline_core.sae.formats import FORMATS, Provenance, read_any
from tests.sae.formats.published import FEATURES, MAKERS, WIDTH, DictionaryLearning, Overcomplete, Published, Sparsify
from tests.shared import swell

VECTORS = torch.randn(20, WIDTH, generator=torch.Generator().manual_seed(9))
PROVENANCE = Provenance("tiny/mine", "tiny", "L4/final_norm")
EXACT = {"rtol": 1e-6, "atol": 1e-6}


def dense(sae: Sae, vectors: Tensor) -> Tensor:
    codes = sae.encode(vectors)
    rows = torch.repeat_interleave(torch.arange(len(vectors)), codes.offsets.diff())
    return torch.zeros(len(vectors), len(sae.dictionary)).index_put_((rows, codes.ids), codes.values, accumulate=True)


def given_k(theirs: Published) -> int | None:
    return theirs.config["k"] if theirs.format == "paper" else None


@pytest.mark.parametrize("kind", MAKERS)
def test_codes_and_reconstructions_are_theirs(kind: str, tmp_path: Path) -> None:
    theirs = MAKERS[kind]()
    theirs.write(tmp_path / "sae")
    assert [one.name for one in FORMATS.values() if one.recognise(tmp_path / "sae")] == [theirs.format]
    sae = read_any(tmp_path / "sae", given_k(theirs)).sae
    expected = theirs.encode(VECTORS)
    torch.testing.assert_close(dense(sae, VECTORS), expected, **EXACT)
    torch.testing.assert_close(sae.decode(sae.encode(VECTORS)), theirs.decode(expected), **EXACT)
    assert 0 < int((expected > 0).sum()) < expected.numel()


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("form", FORMATS)
def test_there_and_back_nothing_changes(kind: str, form: str, tmp_path: Path) -> None:
    theirs = MAKERS[kind]()
    theirs.write(tmp_path / "theirs")
    sae = read_any(tmp_path / "theirs", given_k(theirs)).sae
    jumps, biased = sae.architecture == "jumprelu", bool(sae.tensors()["b_dec"].any())
    if (form == "paper" and (jumps or biased)) or (form == "sparsify" and jumps):
        with pytest.raises(ModelError, match=f"the format {form} (holds no jumprelu|has no decoder bias)"):
            FORMATS[form].write(tmp_path / "ours", sae, PROVENANCE)
        return
    FORMATS[form].write(tmp_path / "ours", sae, PROVENANCE)
    again = read_any(tmp_path / "ours", sae.config()["k"] if form == "paper" else None)
    assert again.format == form
    torch.testing.assert_close(dense(again.sae, VECTORS), dense(sae, VECTORS), **EXACT)
    torch.testing.assert_close(again.sae.decode(again.sae.encode(VECTORS)), sae.decode(sae.encode(VECTORS)), **EXACT)
    if form in (theirs.format, "saelens") and again.sae.config() == sae.config() and form != "paper":
        for name, tensor in sae.tensors().items():
            assert torch.equal(again.sae.tensors()[name], tensor)


def test_what_is_written_is_read_by_their_equations(tmp_path: Path) -> None:
    for kind in ("saelens-topk-not-centred", "dictionary_learning-batchtopk"):
        MAKERS[kind]().write(tmp_path / kind)
    top, jump = (
        read_any(tmp_path / kind).sae for kind in ("saelens-topk-not-centred", "dictionary_learning-batchtopk")
    )
    FORMATS["sparsify"].write(tmp_path / "sparsify", top, PROVENANCE)
    config = json.loads((tmp_path / "sparsify" / "cfg.json").read_text())
    assert (config["d_in"], config["num_latents"], config["activation"]) == (WIDTH, FEATURES, "topk")
    found: list[tuple[Sae, Published]] = [(top, Sparsify(load_file(tmp_path / "sparsify" / "sae.safetensors"), config))]
    for sae in (top, jump):
        folder = tmp_path / f"dl-{sae.architecture}"
        FORMATS["dictionary_learning"].write(folder, sae, PROVENANCE)
        state = torch.load(folder / "ae.pt", weights_only=True)
        trainer = json.loads((folder / "config.json").read_text())["trainer"]
        found.append((sae, DictionaryLearning(state, trainer)))
    MAKERS["overcomplete"]().write(tmp_path / "sae.pt")
    paper = read_any(tmp_path / "sae.pt", 30).sae
    FORMATS["paper"].write(tmp_path / "again.pt", paper, PROVENANCE)
    stored = torch.load(tmp_path / "again.pt", weights_only=False)
    found.append((paper, Overcomplete(stored["model_state"], {"k": 30})))
    for sae, theirs in found:
        torch.testing.assert_close(theirs.encode(VECTORS), dense(sae, VECTORS), **EXACT)
        torch.testing.assert_close(theirs.decode(theirs.encode(VECTORS)), sae.decode(sae.encode(VECTORS)), **EXACT)


def test_the_release_cannot_hold_features_of_several_lengths(tmp_path: Path) -> None:
    MAKERS["saelens-topk"]().write(tmp_path / "sae")
    with pytest.raises(ModelError, match="features of one length, tiny/mine has not; write it in another format"):
        FORMATS["paper"].write(tmp_path / "sae.pt", read_any(tmp_path / "sae").sae, PROVENANCE)


def test_facts_of_the_origin_are_kept(tmp_path: Path) -> None:
    MAKERS["dictionary_learning-matryoshka"]().write(tmp_path / "sae")
    assert read_any(tmp_path / "sae").facts == {"lm_name": "gpt2", "layer": 3, "group_sizes": [10, 30]}


def test_a_batch_without_a_threshold_needs_a_k(tmp_path: Path) -> None:
    theirs = MAKERS["dictionary_learning-batchtopk"]()
    theirs.tensors["threshold"] = torch.tensor(-1.0)
    theirs.write(tmp_path / "sae")
    with pytest.raises(ModelError, match="was never set, so that its codes hang on the batch; give k, to take"):
        read_any(tmp_path / "sae")
    assert read_any(tmp_path / "sae", 3).sae.config()["k"] == 3


@pytest.mark.parametrize(
    ("kind", "changes", "told"),
    [
        ("sparsify", {"k": ...}, "lacks k"),
        ("sparsify", {"k": 41}, "k = 41 is not a number from 1"),
        ("sparsify", {"d_in": 7}, "d_in = 7, and W_dec has the shape"),
        ("sparsify", {"num_latents": 7}, "d_sae = 7, and W_dec"),
        ("sparsify", {"transcode": True}, "transcode = True; only False is read"),
        ("sparsify", {"skip_connection": True}, "skip_connection = True"),
        ("sparsify", {"activation": "groupmax"}, "activation = 'groupmax'; only 'topk' is read"),
        ("dictionary_learning-topk", {"k": 9}, "is said to have k = 5 and 9; leave k out"),
        ("dictionary_learning-topk", {"dict_class": "AutoEncoderNew"}, "dict_class = 'AutoEncoderNew'; known: AutoE"),
        ("dictionary_learning-topk", {"dict_class": ["AutoEncoder"]}, r"dict_class = \['AutoEncoder'\]"),
        ("dictionary_learning-topk", {"dict_class": "JumpReluAutoEncoder"}, "lacks the tensors W_enc"),
        ("saelens-gated", {"architecture": "matching_pursuit"}, "architecture = 'matching_pursuit'"),
        ("saelens-topk", {"normalize_activations": "covariance_whitening"}, "only 'none' is supported: save it with"),
    ],
)
def test_what_is_not_read_is_told_in_one_line(kind: str, changes: dict[str, Any], told: str, tmp_path: Path) -> None:
    MAKERS[kind]().write(tmp_path / "sae", **changes)
    with pytest.raises(ModelError, match=told) as error:
        read_any(tmp_path / "sae")
    assert "\n" not in str(error.value)


class _Attack:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


def _hostile_log(folder: Path) -> None:
    MAKERS["overcomplete"]().write(folder / "sae", logs=_Attack(folder / "ran"))


def _hostile_weights(folder: Path) -> None:
    theirs = MAKERS["dictionary_learning-topk"]()
    theirs.tensors["extra"] = _Attack(folder / "ran")  # type: ignore[assignment]
    theirs.write(folder / "sae")


def _giant_header(folder: Path) -> None:
    MAKERS["sparsify"]().write(folder / "sae")
    (folder / "sae" / "sae.safetensors").write_bytes((1 << 62).to_bytes(8, "little") + b"{}")


def _long_header(folder: Path) -> None:
    MAKERS["sparsify"]().write(folder / "sae")
    swell(folder / "sae" / "sae.safetensors")


def _deep_config(folder: Path) -> None:
    MAKERS["saelens-topk"]().write(folder / "sae")
    (folder / "sae" / "cfg.json").write_text("[" * 200_000)


def _more_layers(folder: Path) -> None:
    theirs = MAKERS["overcomplete"]()
    theirs.tensors["encoder.final_block.1.weight"] = torch.ones(FEATURES)
    theirs.write(folder / "sae")


def _wrong_shape(kind: str, name: str, shape: tuple[int, ...]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        theirs = MAKERS[kind]()
        theirs.tensors[name] = torch.ones(shape)
        theirs.write(folder / "sae")

    return write


def _cut_short(folder: Path) -> None:
    MAKERS["dictionary_learning-topk"]().write(folder / "sae")
    file = folder / "sae" / "ae.pt"
    file.write_bytes(file.read_bytes()[:-200])


ATTACKS: dict[str, tuple[Callable[[Path], None], str]] = {
    "code in the log": (_hostile_log, "is damaged or unsafe"),
    "code in the weights": (_hostile_weights, "is damaged or unsafe"),
    "a giant header": (_giant_header, "cannot be read"),
    "a header that is there": (_long_header, "would have 20 MB, more than tensors are told in; copy"),
    "a deep config": (_deep_config, "nested too deep"),
    "an encoder of more layers": (_more_layers, "has the tensor encoder.final_block.1.weight"),
    "weights cut short": (_cut_short, "is damaged or unsafe"),
    "a gate of another length": (_wrong_shape("saelens-gated", "b_gate", (7,)), r"b_gate has the shape \(7,\)"),
    "a flat dictionary": (_wrong_shape("sparsify", "W_dec", (FEATURES,)), "the tensor encoder.weight has the shape"),
    "thresholds for each": (_wrong_shape("dictionary_learning-batchtopk", "threshold", (3,)), "was never set"),
    "a multiplier for each": (_wrong_shape("overcomplete", "dictionary.multiplier", (FEATURES,)), "multiplier has the"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_checkpoint_runs_code_or_ends_in_a_trace(attack: str, tmp_path: Path) -> None:
    write, told = ATTACKS[attack]
    write(tmp_path)
    with pytest.raises(ModelError, match=told) as error:
        read_any(tmp_path / "sae")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "ran").exists()


def test_half_precision_is_read_as_single(tmp_path: Path) -> None:
    MAKERS["saelens-gated"]().write(tmp_path / "sae")
    file = tmp_path / "sae" / "sae_weights.safetensors"
    save_file({name: tensor.bfloat16() for name, tensor in load_file(file).items()}, file)
    assert {tensor.dtype for tensor in read_any(tmp_path / "sae").sae.tensors().values()} == {torch.float32}
