"""Whatever the format, one function reads it, and one line says when none can."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline_core.errors import ModelError
from pipeline_core.sae.formats import FORMATS, read_any
from tests.sae.formats.files import paper_file, saelens_folder
from tests.sae.outside import installed


def test_each_format_recognises_its_own_only(tmp_path: Path) -> None:
    paper_file(tmp_path / "paper")
    saelens_folder(tmp_path / "saelens")
    assert list(FORMATS) == ["dictionary_learning", "paper", "saelens", "sparsify"]
    for name in ("paper", "saelens"):
        assert [kind.name for kind in FORMATS.values() if kind.recognise(tmp_path / name)] == [name]
        assert read_any(tmp_path / name).format == name


def test_k_reaches_the_format(tmp_path: Path) -> None:
    paper_file(tmp_path / "sae.pt")
    assert read_any(tmp_path / "sae.pt", 9).sae.config()["k"] == 9


def test_what_none_recognises_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError,
        match=r"no format of autoencoders recognises .*; known formats: dictionary_learning, paper, saelens, sparsify",
    ):
        read_any(tmp_path)
    with pytest.raises(ModelError, match=r"there is no autoencoder at .*absent"):
        read_any(tmp_path / "absent")


def test_a_format_of_another_distribution_is_tried_too(tmp_path: Path) -> None:
    tensors = saelens_folder(tmp_path / "saelens")
    np.savez(tmp_path / "sae.npz", k=4, **{name: tensor.numpy() for name, tensor in tensors.items()})
    with pytest.raises(ModelError, match="no format"):
        read_any(tmp_path / "sae.npz")
    with installed(FORMATS, tmp_path, "npz", "tests.sae.npz:MEMBER"):
        read = read_any(tmp_path / "sae.npz")
    assert read.format == "npz"
    assert torch.equal(read.sae.dictionary, tensors["W_dec"])
