"""Adapters of tiny models, loaded once a session as a user's folder would be."""

from pathlib import Path

import pytest

from pipeline_core.config import ModelConfig
from pipeline_core.models.contrastive import ContrastiveAdapter
from pipeline_core.models.generative import GenerativeAdapter
from pipeline_core.models.registry import load_adapter
from tests.models import tiny


@pytest.fixture(scope="session")
def llava_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_llava(tmp_path_factory.mktemp("llava"))


@pytest.fixture(scope="session")
def llava(llava_folder: Path) -> GenerativeAdapter:
    adapter = load_adapter(ModelConfig(name=str(llava_folder)), llava_folder.parent)
    assert isinstance(adapter, GenerativeAdapter)
    return adapter


@pytest.fixture(scope="session")
def paligemma(tmp_path_factory: pytest.TempPathFactory) -> GenerativeAdapter:
    folder = tiny.save_paligemma(tmp_path_factory.mktemp("paligemma"))
    adapter = load_adapter(ModelConfig(name=str(folder)), folder.parent)
    assert isinstance(adapter, GenerativeAdapter)
    return adapter


@pytest.fixture(scope="session")
def paddle(tmp_path_factory: pytest.TempPathFactory) -> GenerativeAdapter:
    folder = tiny.save_paddle(tmp_path_factory.mktemp("paddle"))
    adapter = load_adapter(ModelConfig(name=str(folder)), folder.parent)
    assert isinstance(adapter, GenerativeAdapter)
    return adapter


@pytest.fixture(scope="session", params=[tiny.save_clip, tiny.save_siglip], ids=["clip", "siglip"])
def dual_encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ContrastiveAdapter:
    folder = request.param(tmp_path_factory.mktemp("dual"))
    adapter = load_adapter(ModelConfig(name=str(folder)), folder.parent)
    assert isinstance(adapter, ContrastiveAdapter)
    return adapter
