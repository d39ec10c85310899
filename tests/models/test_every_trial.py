"""Every family on trial: its tiny models are sound, so no check may find fault with one."""

from pathlib import Path

import pytest

from pipeline_core.models import trial
from pipeline_core.models.facts import describe_model
from pipeline_core.models.generative import GenerativeEmbedder
from pipeline_core.models.settings import ModelSettings
from pipeline_core.models.trial import check_model
from pipeline_core.placement import Placement
from tests.models import tiny
from tests.models.conformance import kind_of
from tests.models.tiny_duals import DUAL
from tests.models.tiny_embedders import EMBEDDERS
from tests.models.tiny_families import Tiny, save
from tests.models.tiny_generative import GENERATIVE

GENERATIVE_CHECKS = ("states", "roles", "beginning", "attention")
ENLARGING = "gme-Qwen2-VL-2B-Instruct"
"""It gives every picture 256 tokens at least, in which batches take long."""


@pytest.mark.parametrize("name", [name for name in EMBEDDERS if name != ENLARGING])
def test_embedders_are_sound(name: str, tmp_path: Path) -> None:
    check_all(save(tmp_path / name, EMBEDDERS[name]), EMBEDDERS[name], *GENERATIVE_CHECKS)


def test_pictures_are_compared_as_the_family_shows_them(tmp_path: Path) -> None:
    embedder = tiny.load(save(tmp_path / ENLARGING, EMBEDDERS[ENLARGING]))
    assert isinstance(embedder, GenerativeEmbedder)
    assert trial.states_are_its_own(embedder).ok
    assert trial.roles_are_plausible(embedder).ok


@pytest.mark.parametrize("name", DUAL)
def test_dual_encoders_are_sound(name: str, tmp_path: Path) -> None:
    made = DUAL[name]
    check_all(save(tmp_path, made, kind_of(made.family)), made, "vectors")


@pytest.mark.published
@pytest.mark.parametrize("name", [*GENERATIVE, ENLARGING])
def test_generative_models_are_sound(name: str, tmp_path: Path) -> None:
    made = (GENERATIVE | EMBEDDERS)[name]
    check_all(save(tmp_path / name, made), made, *GENERATIVE_CHECKS)


def check_all(folder: Path, made: Tiny, *own: str) -> None:
    """Check a saved model, and look for faults."""
    settings = ModelSettings(name=str(folder))
    findings = list(check_model(settings, describe_model(settings), Placement(), folder.parent))
    assert findings[0].found.startswith(f"{made.family}: ")
    assert [finding for finding in findings if finding.ok is False] == []
    assert {finding.check for finding in findings} == {"family", "weights", "batches", "pictures", "precision", *own}
