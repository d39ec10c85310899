"""An architecture of another distribution, with codes of any number, goes all the way without another file touched."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from pipeline_core.activations.vectors import load_embeddings
from pipeline_core.codes.reading import load_codes
from pipeline_core.contracts.validation import validate_artifact
from pipeline_core.errors import ModelError
from pipeline_core.sae.architectures import ARCHITECTURES
from pipeline_core.sae.artifact import code_limits, load_dictionary, read_sae
from pipeline_core.sae.bring import bring_sae
from pipeline_core.sae.settings import BroughtSae, Saes
from pipeline_core.sae.trainer import Training, train_saes
from pipeline_core.schema.parquet import read_table
from tests.codes.encoding import encode_embeddings
from tests.sae.artifacts import REPRESENTATION
from tests.sae.outside import installed

REP = REPRESENTATION["rep_id"]


@pytest.fixture(scope="module", autouse=True)
def jump(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with installed(ARCHITECTURES, tmp_path_factory.mktemp("site"), "jump", "tests.sae.jump:MEMBER"):
        yield


def settings(**given: Any) -> Any:
    few = {"name": "jump", "architecture": "jump", "features": 32, "epochs": 3, "batch_size": 100}
    (sae,) = TypeAdapter(Saes).validate_python([few | given])
    return sae


def train(activations: Path, folder: Path, stop: int | None = None) -> Path:
    folder.mkdir(exist_ok=True)

    def progress(done: int, total: int) -> None:
        if done == stop:
            raise InterruptedError

    train_saes(activations, [Training(settings(learning_rate=5e-3), folder)], "tiny", 1, 4, progress)
    return folder


@pytest.fixture(scope="module")
def trained(activations: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(activations, tmp_path_factory.mktemp("trained"))


def test_its_settings_are_its_own() -> None:
    assert settings(threshold=0.25).threshold == 0.25
    with pytest.raises(ValidationError, match="there is no field 'k'"):
        settings(k=3)


def test_it_learns(trained: Path) -> None:
    validate_artifact("sae", trained, {"epochs": 3})
    log = read_table(trained, "sae_training")
    assert log["fvu"][-1] < 0.7 * log["fvu"][0]


def test_interrupted_training_ends_as_uninterrupted(trained: Path, activations: Path, tmp_path: Path) -> None:
    with pytest.raises(InterruptedError):
        train(activations, tmp_path / "parts", stop=11)
    parts = train(activations, tmp_path / "parts")
    for name in ("sae_weights.safetensors", "cfg.json"):
        assert (parts / name).read_bytes() == (trained / name).read_bytes()


def test_it_encodes_as_many_features_as_are_active(
    trained: Path, activations: Path, dataset: Path, tmp_path: Path
) -> None:
    encode_embeddings(trained, activations, dataset, REP, tmp_path)
    assert code_limits(trained) == {"width": 32}
    validate_artifact("codes", tmp_path, code_limits(trained))
    codes = load_codes(tmp_path, 32)
    tensors = {name: tensor.numpy() for name, tensor in read_sae(trained).tensors().items()}
    embeddings = np.concatenate([*load_embeddings(activations).blocks()])
    dense = embeddings @ tensors["W_enc"] + tensors["b_enc"]
    dense[dense <= tensors["threshold"]] = 0.0
    np.testing.assert_allclose(codes.matrix.toarray(), dense, rtol=1e-3, atol=1e-4)
    lengths = np.diff(codes.matrix.indptr)
    assert len(set(lengths)) > 1
    everything = read_table(tmp_path, "reconstruction").filter(modality="all").row(0, named=True)
    assert everything["l0"] == pytest.approx(lengths.mean())
    rebuilt = codes.matrix.toarray() @ load_dictionary(trained) + tensors["b_dec"]
    variation = np.square(embeddings - embeddings.mean(axis=0)).sum()
    assert everything["fvu"] == pytest.approx(np.square(embeddings - rebuilt).sum() / variation, rel=1e-4)


def test_a_trained_one_is_brought_in_again(trained: Path, activations: Path, tmp_path: Path) -> None:
    bring_sae(BroughtSae(source=str(trained), name="again"), activations, "tiny", tmp_path, lambda done, total: None)
    for name, tensor in read_sae(trained).state().items():
        assert torch.equal(tensor, read_sae(tmp_path).state()[name])


def test_a_k_that_it_does_not_know_is_refused(trained: Path, activations: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has k = None, not 5"):
        bring_sae(BroughtSae(source=str(trained), k=5), activations, "tiny", tmp_path, lambda done, total: None)
