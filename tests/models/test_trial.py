"""A model on trial: sound ones pass every check, and each check finds the fault that it is there for."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from pipeline_core.errors import ModelError
from pipeline_core.models import trial
from pipeline_core.models.contrastive import ContrastiveEmbedder, Vectors
from pipeline_core.models.facts import describe_model
from pipeline_core.models.generative import GenerativeEmbedder
from pipeline_core.models.loading import load_embedder
from pipeline_core.models.samples import PROMPT, TEXT
from pipeline_core.models.settings import ModelSettings
from pipeline_core.models.trial import Finding, Measured, check_model
from pipeline_core.placement import Placement
from tests.models import tiny, tiny_generative
from tests.models.tiny_families import save

ALWAYS = ["family", "weights"]
GENERATIVE = [*ALWAYS, "states", "roles", "beginning", "batches", "pictures", "attention", "precision"]


def findings(folder: Path, **options: Any) -> list[Finding]:
    settings = ModelSettings(name=str(folder))
    return list(check_model(settings, describe_model(settings), Placement(), folder.parent, **options))


def figure(measured: Measured) -> float:
    return float(measured.found.split()[0])


class Faulty(GenerativeEmbedder):
    """A loaded model with faults that only comparing shows: states grow with the batch, roles are swapped."""

    def __init__(self, sound: GenerativeEmbedder) -> None:
        self.__dict__.update(sound.__dict__)

    def prepare(self, samples: Any) -> Any:
        batch = super().prepare(samples)
        for sample in batch.samples:
            text, prompt = sample.roles == TEXT, sample.roles == PROMPT
            sample.roles[text], sample.roles[prompt] = PROMPT, TEXT
        return batch

    def run(self, batch: Any, visit: Any) -> None:
        super().run(batch, lambda layer, states: visit(layer, states * (1 + 1e-3 * len(batch.samples))))

    def attend(self, batch: Any, visit: Any) -> None:
        super().attend(batch, lambda layer, weights: visit(layer, weights * 0.9))


def test_a_sound_generative_model_passes_and_says_by_how_much(llava_folder: Path) -> None:
    told: list[str] = []
    found = findings(llava_folder, tell=told.append)
    assert [finding.check for finding in found] == GENERATIVE
    assert told == GENERATIVE[1:]
    assert [finding for finding in found if not finding.ok] == []
    texts = {finding.check: finding.found for finding in found}
    assert texts["family"].startswith("llava: generative, float32")
    assert texts["roles"].endswith("4 image, 10 text, 9 prompt, 6 template, 18 system")
    assert "21 tokens run once" in texts["beginning"]


def test_each_fault_is_found(llava: GenerativeEmbedder, llava_folder: Path) -> None:
    faulty = Faulty(llava)
    for check in (trial.states_are_its_own, trial.sharing_changes_nothing, trial.batches_change_nothing):
        assert check(llava).ok
        found = check(faulty)
        assert found.ok is False
        assert figure(found) > 5e-4
    assert not trial.roles_are_plausible(faulty).ok
    assert "tokens of the text" in trial.roles_are_plausible(faulty).found


@pytest.mark.parametrize("hidden_state", ["normed", "released"])
def test_states_are_compared_where_they_are_taken(hidden_state: str, tmp_path: Path) -> None:
    """Of a Qwen3-VL the paper's code takes them before the final norm."""
    embedder = tiny.load(save(tmp_path, tiny_generative.GENERATIVE["qwen3_vl"]), hidden_state=hidden_state)
    assert isinstance(embedder, GenerativeEmbedder)
    found = trial.states_are_its_own(embedder)
    assert found.ok and figure(found) <= trial.EXACT
    assert ("no final norm after the last" in found.found) is (hidden_state == "released")
    assert trial.states_are_its_own(Faulty(embedder)).ok is False


def test_attention_that_does_not_sum_to_one_is_found(llava_folder: Path) -> None:
    settings = ModelSettings(name=str(llava_folder), attention="eager")
    embedder = load_embedder(settings, describe_model(settings), "cpu", llava_folder)
    assert isinstance(embedder, GenerativeEmbedder)
    assert trial.attention_is_its_own(embedder).ok
    assert figure(trial.attention_is_its_own(Faulty(embedder))) == pytest.approx(0.1, rel=1e-3)


def test_a_sound_dual_encoder_passes(dual_encoder: ContrastiveEmbedder) -> None:
    found = findings(Path(dual_encoder.facts.place))
    assert [finding.check for finding in found] == [*ALWAYS, "vectors", "batches", "pictures", "precision"]
    assert [finding for finding in found if not finding.ok] == []


def test_a_dual_encoder_with_another_vector_than_the_model_s_is_found(dual_encoder: ContrastiveEmbedder) -> None:
    class Shifted(ContrastiveEmbedder):
        def __init__(self) -> None:
            self.__dict__.update(dual_encoder.__dict__)

        def vectors(self, samples: Any) -> Vectors:
            return np.roll(super().vectors(samples), 1, axis=1)

    assert trial.vectors_are_its_own(Shifted()).ok is False


def test_vectors_so_small_that_their_squares_vanish_have_a_direction_and_zeros_have_none() -> None:
    tiny = np.array([[3e-30, 4e-30]], np.float32)
    np.testing.assert_allclose(trial._direction(tiny), [[0.6, 0.8]], rtol=1e-6)
    with pytest.raises(ModelError, match="points nowhere"):
        trial._direction(np.zeros((1, 2), np.float32))


def test_a_checkpoint_with_a_missing_tensor_ends_the_trial(llava_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(llava_folder, tmp_path / "broken")
    tensors = load_file(folder / "model.safetensors")
    del tensors[next(name for name in sorted(tensors) if "q_proj" in name)]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    *_, last = findings(folder)
    assert (last.check, last.ok) == ("weights", False)
    assert "q_proj" in last.found


def test_a_large_model_is_loaded_at_another_precision_only_when_asked(
    llava_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "SMALL", 10)
    assert findings(llava_folder)[-1].ok is None
    assert findings(llava_folder, both_precisions=True)[-1].ok
