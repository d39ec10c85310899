"""Several autoencoders on one stream: each comes out as if it had been trained alone, however they were interrupted."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline_core.sae import trainer
from pipeline_core.sae.architectures.topk import TopKSettings
from pipeline_core.sae.trainer import Training, train_saes
from tests.sae.artifacts import WIDTH
from tests.sae.test_trainer import CENTRED, PAPER, InterruptionError, assert_same, interrupt_at

NARROW = TopKSettings(name="narrow", features=20, k=3, epochs=2, batch_size=90, learning_rate=1e-3)
SETTINGS = (PAPER, NARROW, CENTRED)
STEPS = sum(12 * settings.epochs for settings in SETTINGS)


def silent(done: int, total: int) -> None:
    """Take progress and say nothing."""


def train(
    activations: Path,
    root: Path,
    *settings: TopKSettings,
    progress: Callable[[int, int], None] = silent,
    memory: int | None = None,
) -> list[float]:
    trainings = [Training(one, root / one.name) for one in settings]
    for training in trainings:
        training.folder.mkdir(parents=True, exist_ok=True)
    return train_saes(activations, trainings, "tiny", 1, 7, progress, memory=memory)


@pytest.fixture(scope="module")
def alone(activations: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("alone")
    for settings in SETTINGS:
        train(activations, root, settings)
    return root


def assert_as_alone(alone: Path, root: Path) -> None:
    for settings in SETTINGS:
        assert_same(alone / settings.name, root / settings.name)


def test_each_equals_one_trained_alone(activations: Path, alone: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    seconds = train(activations, tmp_path, *SETTINGS, progress=lambda *one: told.append(one))
    assert_as_alone(alone, tmp_path)
    assert told == [(done, STEPS) for done in range(1, STEPS + 1)]
    assert min(seconds) > 0


def test_states_are_decoded_and_read_once(activations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    real = trainer.read_ahead
    monkeypatch.setattr(trainer, "read_ahead", lambda *given: read.append(len(given[1])) or real(*given))
    mapped: list[Path] = []
    real_map = trainer.map_tokens
    monkeypatch.setattr(trainer, "map_tokens", lambda *given: mapped.append(given[1]) or real_map(*given))
    train(activations, tmp_path, *SETTINGS)
    assert read == [12] * 4
    assert len(mapped) == 1


@pytest.mark.parametrize("step", [1, 20, 40, 77, STEPS])
def test_interrupted_they_go_on_together(activations: Path, alone: Path, tmp_path: Path, step: int) -> None:
    with pytest.raises(InterruptionError):
        train(activations, tmp_path, *SETTINGS, progress=interrupt_at(step))
    train(activations, tmp_path, *SETTINGS)
    assert_as_alone(alone, tmp_path)


def test_one_that_was_further_on_waits_for_the_others(activations: Path, alone: Path, tmp_path: Path) -> None:
    with pytest.raises(InterruptionError):
        train(activations, tmp_path, CENTRED, progress=interrupt_at(30))
    told: list[int] = []
    train(activations, tmp_path, *SETTINGS, progress=lambda done, total: told.append(done))
    assert told == list(range(29, STEPS + 1)), "28 steps were saved"
    assert_as_alone(alone, tmp_path)


def test_one_that_is_finished_is_left_as_it_is(activations: Path, alone: Path, tmp_path: Path) -> None:
    train(activations, tmp_path, NARROW)
    weights = tmp_path / NARROW.name / "sae_weights.safetensors"
    before = weights.stat().st_mtime_ns
    assert train(activations, tmp_path, *SETTINGS)[1] == 0.0
    assert weights.stat().st_mtime_ns == before
    assert_as_alone(alone, tmp_path)


def test_as_many_learn_at_once_as_memory_holds(activations: Path, alone: Path, tmp_path: Path) -> None:
    bytes_of_two = 16 * (PAPER.features + NARROW.features) * (2 * WIDTH + 1)
    learners = [trainer._Learner(Training(settings, tmp_path), "x") for settings in SETTINGS]
    rounds = {memory: [len(one) for one in trainer._rounds(learners, WIDTH, memory)] for memory in (1, bytes_of_two)}
    assert rounds == {1: [1, 1, 1], bytes_of_two: [2, 1]}
    train(activations, tmp_path, *SETTINGS, memory=bytes_of_two)
    assert_as_alone(alone, tmp_path)


def test_other_seeds_and_batches_are_other_streams() -> None:
    changed = [{"seed": 1}, {"batch_size": 80}, {"leave_out": ("system",)}]
    assert len({trainer.stream(PAPER.model_copy(update=change)) for change in ({}, *changed)}) == 4
    assert trainer.stream(PAPER) == trainer.stream(NARROW) == trainer.stream(CENTRED)
