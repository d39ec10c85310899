"""An empty folder for a data set, and what is read of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline_core.contracts.validation import validate_artifact
from pipeline_core.dataset.sources.folder import FolderSettings
from tests.dataset.conftest import Built

Read = Callable[..., Built]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def read(root: Path, tmp_path: Path, build: Callable[[FolderSettings, Path], Built]) -> Read:
    """Build the folder's data set, which keeps every contract."""

    def read(**changes: object) -> Built:
        built = build(FolderSettings.model_validate({"path": root, **changes}), tmp_path / "artifact")
        validate_artifact("dataset", built.folder)
        return built

    return read
