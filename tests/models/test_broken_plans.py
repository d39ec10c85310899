"""What is asked of a broken folder before anything is loaded: what it is, how large, and what it lacks here."""

import math
import shutil
from pathlib import Path

import pytest

from pipeline_core.dataset.sources import SOURCES
from pipeline_core.doctor import examine_models
from pipeline_core.errors import ModelError
from pipeline_core.models.facts import describe_model
from pipeline_core.models.families import FAMILIES
from pipeline_core.models.settings import ModelSettings
from tests.models.test_broken_folders import BROKEN


@pytest.fixture(scope="module", params=BROKEN)
def settings(
    request: pytest.FixtureRequest, llava_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> ModelSettings:
    folder = tmp_path_factory.mktemp("broken") / "model"
    shutil.copytree(llava_folder, folder)
    BROKEN[request.param][0](folder)
    return ModelSettings(name=str(folder), alias="it")


def test_a_broken_folder_has_a_size_or_is_told_in_one_line(settings: ModelSettings) -> None:
    try:
        facts = describe_model(settings)
        size = FAMILIES[facts.family].size(facts)
    except ModelError as error:
        assert "\n" not in str(error) and len(str(error)) < 700 and error.remedy
    else:
        assert size is not None
        assert all(0 < figure < math.inf for figure in (size.numbers, size.width, size.n_layers, size.inner))
        assert 0 < size.tokens_of_picture(64, 64) < math.inf


def test_the_doctor_tells_each_broken_folder_in_lines(settings: ModelSettings) -> None:
    dataset = SOURCES["folder"].settings.model_validate({"name": "folder", "path": settings.name})
    checks = list(examine_models([settings], dataset, "cpu"))
    assert checks[0].name == "it"
    assert all("\n" not in check.found and (check.ok or check.remedy) for check in checks)
