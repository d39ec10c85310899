import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from polars.testing import assert_frame_equal

from pipeline_core.errors import DataError
from pipeline_core.sae.architectures.topk import TopKSettings
from pipeline_core.sae.artifact import read_sae
from pipeline_core.sae.tokens import map_tokens
from pipeline_core.sae.trainer import Training, train_saes
from pipeline_core.schema.parquet import read_table
from tests.sae.artifacts import N_TOKENS, REPRESENTATION, WIDTH, sparse_states, write_tokens

PAPER = TopKSettings(name="paper", features=48, k=6, epochs=4, batch_size=90, learning_rate=5e-3)
CENTRED = PAPER.model_copy(update={"name": "centred", "centred": True})
BOTH = pytest.mark.parametrize("settings", [PAPER, CENTRED], ids=lambda settings: settings.name)
STEPS = 4 * 12


class InterruptionError(Exception):
    """Stands for whatever ends a process."""


def train(
    activations: Path,
    folder: Path,
    settings: TopKSettings = PAPER,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    folder.mkdir(exist_ok=True)
    train_saes(activations, [Training(settings, folder)], "tiny", 1, 7, progress)
    return folder


def interrupt_at(step: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if done == step:
            raise InterruptionError

    return progress


@pytest.fixture(scope="module", params=[PAPER, CENTRED], ids=lambda settings: settings.name)
def trained(request: pytest.FixtureRequest, activations: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(activations, tmp_path_factory.mktemp("trained"), request.param)


def test_artifact_holds_weights_config_and_log_and_nothing_else(trained: Path) -> None:
    found = sorted(f.name for f in trained.iterdir())
    assert found == ["cfg.json", "sae_data.parquet", "sae_training.parquet", "sae_weights.safetensors"]


def test_training_explains_variance(trained: Path) -> None:
    log = read_table(trained, "sae_training")
    assert log["step"].to_list() == list(range(1, STEPS + 1))
    assert log["epoch"].to_list() == [1 + (step - 1) // 12 for step in range(1, STEPS + 1)]
    assert log["fvu"][-1] < 0.5 * log["fvu"][0]
    assert log["loss"][-1] < log["loss"][0]
    assert log["l0"].max() <= 6
    assert log["dead_share"][:11].to_list() == [0.0] * 11
    assert set(log["learning_rate"]) == {5e-3}


def test_dictionary_has_unit_rows(trained: Path) -> None:
    sae = read_sae(trained)
    np.testing.assert_allclose(sae.dictionary.norm(dim=1).numpy(), 1.0, atol=1e-6)
    assert tuple(sae.dictionary.shape) == (48, WIDTH)
    assert float(sae.decoder_bias.abs().max()) > 0 if sae.centred else float(sae.decoder_bias.abs().max()) == 0


def test_log_measures_what_it_says(activations: Path, tmp_path: Path) -> None:
    """With one batch an epoch, the second log row follows from the weights after the first epoch."""
    whole = PAPER.model_copy(update={"batch_size": N_TOKENS, "epochs": 1})
    first = train(activations, tmp_path / "one", settings=whole)
    log = read_table(
        train(activations, tmp_path / "two", settings=whole.model_copy(update={"epochs": 2})), "sae_training"
    )
    sae = read_sae(first)
    states = np.concatenate([stored_states(0, 600), stored_states(600, N_TOKENS)]).astype(np.float64)
    activations_ns = np.maximum(states @ sae.encoder.numpy().T + sae.encoder_bias.numpy(), 0)
    threshold = np.sort(activations_ns, axis=1)[:, -6, None]
    codes = np.where(activations_ns >= threshold, activations_ns, 0)
    squared_error = np.square(states - codes @ sae.dictionary.numpy()).sum()
    assert log["fvu"][1] == pytest.approx(squared_error / np.square(states - states.mean(0)).sum(), rel=1e-4)
    assert log["l0"][1] == pytest.approx((codes > 0).sum(1).mean(), rel=1e-6)
    assert log["loss"][1] == pytest.approx(squared_error / states.size + 0.01 * codes.mean(), rel=1e-4)
    assert log["dead_share"][1] == pytest.approx((codes.sum(0) == 0).mean())


def stored_states(start: int, stop: int) -> np.ndarray:
    return sparse_states(N_TOKENS, seed=1)[start:stop].astype(np.float16).astype(np.float32)


@BOTH
@pytest.mark.parametrize("step", [3, 7, 30, STEPS])
def test_interrupted_training_ends_as_uninterrupted(
    activations: Path, tmp_path: Path, settings: TopKSettings, step: int
) -> None:
    whole = train(activations, tmp_path / "whole", settings)
    with pytest.raises(InterruptionError):
        train(activations, tmp_path / "parts", settings, progress=interrupt_at(step))
    continued: list[int] = []
    parts = train(activations, tmp_path / "parts", settings, progress=lambda done, total: continued.append(done))
    assert continued[:1] == ([] if step == STEPS else [step - step % 7 + 1])
    assert_same(whole, parts)


def assert_same(one: Path, other: Path) -> None:
    for name in ("sae_weights.safetensors", "cfg.json"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    logs = (read_table(folder, "sae_training").drop("tokens_per_second") for folder in (one, other))
    assert_frame_equal(*logs, check_exact=True)
    assert sorted(f.name for f in one.iterdir()) == sorted(f.name for f in other.iterdir())


def test_what_is_not_trained_on_of_the_data_is_measured_afterwards(activations: Path, tmp_path: Path) -> None:
    """States of samples outside the order are of other data's validation split."""
    keys = read_table(activations, "tokens", ["sample_id", "prompt_id"]).unique(maintain_order=True)
    small = TopKSettings(name="paper", features=16, k=3, epochs=1, batch_size=400)
    train_saes(activations, [Training(small, tmp_path)], "tiny", 1, 7, lambda done, total: None, keys[:900])
    (row,) = read_table(tmp_path, "sae_data").to_dicts()
    states = sparse_states(N_TOKENS, seed=1)[900:].astype(np.float64)
    sae = read_sae(tmp_path)
    rebuilt = sae.decode(sae.encode(torch.from_numpy(states).float())).numpy()
    fvu = np.square(states - rebuilt).sum() / np.square(states - states.mean(axis=0)).sum()
    assert row.pop("held_out_fvu") == pytest.approx(fvu, rel=1e-2)
    assert 0 < row.pop("held_out_l0") <= 3
    counts = {"n_samples": 900, "n_tokens": 900, "held_out_tokens": 100}
    assert row == {"sae_id": "tiny/paper", "trained_on": None, "left_out": "", **counts}


def test_finished_training_is_not_repeated(activations: Path, tmp_path: Path) -> None:
    folder = train(activations, tmp_path / "sae")
    before = (folder / "sae_weights.safetensors").stat().st_mtime_ns
    train(activations, folder, progress=interrupt_at(1))
    assert (folder / "sae_weights.safetensors").stat().st_mtime_ns == before


def test_seed_decides_the_result(activations: Path, tmp_path: Path) -> None:
    short = PAPER.model_copy(update={"epochs": 1})
    one, same = (train(activations, tmp_path / name, settings=short) for name in ("one", "same"))
    other = train(activations, tmp_path / "other", settings=short.model_copy(update={"seed": 1}))
    assert_same(one, same)
    assert (one / "sae_weights.safetensors").read_bytes() != (other / "sae_weights.safetensors").read_bytes()


def test_settings_decide_the_sizes(activations: Path, tmp_path: Path) -> None:
    small = TopKSettings(name="paper", states="vectors", features=16, k=3, epochs=2, batch_size=400)
    folder = train(activations, tmp_path / "sae", small)
    sae = read_sae(folder)
    assert (tuple(sae.dictionary.shape), sae.k) == ((16, WIDTH), 3)
    assert len(read_table(folder, "sae_training")) == 2 * 3


def test_thread_count_is_restored(activations: Path, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    with pytest.raises(InterruptionError):
        train(activations, tmp_path / "sae", progress=interrupt_at(1))
    assert torch.get_num_threads() == before


def test_map_holds_every_state_once_and_restores_scales(activations: Path, tmp_path: Path) -> None:
    tokens = map_tokens(activations, tmp_path / "states.npy")
    assert (len(tokens), tokens.scale) == (N_TOKENS, 4.0)
    expected = sparse_states(N_TOKENS, seed=1)
    np.testing.assert_allclose(tokens.batch(np.arange(N_TOKENS)).numpy(), expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(tokens.mean().numpy(), expected.mean(axis=0), atol=1e-3)
    np.testing.assert_array_equal(tokens.batch(np.array([9, 2])).numpy(), tokens.batch(np.array([2, 9])).numpy())
    some = np.array([30, 9, 2])
    stored = tokens.stored(some)
    assert stored.dtype == torch.float16
    assert torch.equal(tokens.widened(stored), tokens.batch(some)), "as a GPU widens them"


def test_tokens_of_some_roles_are_left_out_and_the_others_keep_their_order(tmp_path: Path) -> None:
    states = sparse_states(9, seed=4)
    write_tokens(tmp_path, states[:5], 0, roles=("system", "text", "template"))
    write_tokens(tmp_path, states[5:], 1, roles=("text", "system"))
    kept = states[[1, 2, 4, 5, 7]]
    left = map_tokens(tmp_path, tmp_path / "states.npy", leave_out=("system",))
    np.testing.assert_allclose(left.halves, kept, rtol=1e-3)
    backwards = read_table(tmp_path, "tokens", ["sample_id", "prompt_id"])[::-1]
    turned = map_tokens(tmp_path, tmp_path / "turned.npy", backwards, leave_out=("system",))
    np.testing.assert_allclose(turned.halves, kept[::-1], rtol=1e-3)
    with pytest.raises(DataError, match="has 0 token states but for system, text, template, too few"):
        map_tokens(tmp_path, tmp_path / "none.npy", leave_out=("system", "text", "template"))


@pytest.mark.parametrize("n_tokens", [0, 1])
def test_too_few_states_are_refused(tmp_path: Path, n_tokens: int) -> None:
    write_tokens(tmp_path, sparse_states(n_tokens, seed=0), 0)
    with pytest.raises(DataError, match=f"{n_tokens} token states"):
        map_tokens(tmp_path, tmp_path / "states.npy")


def test_empty_shards_among_others_are_read(tmp_path: Path) -> None:
    write_tokens(tmp_path, sparse_states(0, seed=0), 0)
    write_tokens(tmp_path, sparse_states(5, seed=0), 1)
    assert len(map_tokens(tmp_path, tmp_path / "states.npy")) == 5


def test_provenance_names_layer_and_norm(trained: Path) -> None:
    metadata = json.loads((trained / "cfg.json").read_text())["metadata"]
    assert metadata["hook_name"] == f"L{REPRESENTATION['layer']}/{REPRESENTATION['norm_position']}"
    assert set(read_table(trained, "sae_training")["sae_id"]) == {metadata["sae_id"]}
    assert metadata["sae_id"] in {"tiny/paper", "tiny/centred"}
    assert metadata["model_name"] == "tiny"
    assert "imported_from" not in metadata
