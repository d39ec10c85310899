"""Tiny models, loaded once a session as a user's folder would be."""

from pathlib import Path

import pytest

from pipeline_core.models.contrastive import ContrastiveEmbedder
from pipeline_core.models.generative import GenerativeEmbedder
from tests.models import tiny


@pytest.fixture(scope="session")
def llava_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_llava(tmp_path_factory.mktemp("llava"))


@pytest.fixture(scope="session")
def llava(llava_folder: Path) -> GenerativeEmbedder:
    embedder = tiny.load(llava_folder)
    assert isinstance(embedder, GenerativeEmbedder)
    return embedder


@pytest.fixture(scope="session")
def paligemma(tmp_path_factory: pytest.TempPathFactory) -> GenerativeEmbedder:
    folder = tiny.save_paligemma(tmp_path_factory.mktemp("paligemma"))
    embedder = tiny.load(folder)
    assert isinstance(embedder, GenerativeEmbedder)
    return embedder


@pytest.fixture(scope="session")
def paddle(tmp_path_factory: pytest.TempPathFactory) -> GenerativeEmbedder:
    folder = tiny.save_paddle(tmp_path_factory.mktemp("paddle"))
    embedder = tiny.load(folder)
    assert isinstance(embedder, GenerativeEmbedder)
    return embedder


@pytest.fixture(scope="session", params=[tiny.save_clip, tiny.save_siglip], ids=["clip", "siglip"])
def dual_encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ContrastiveEmbedder:
    folder = request.param(tmp_path_factory.mktemp("dual"))
    embedder = tiny.load(folder)
    assert isinstance(embedder, ContrastiveEmbedder)
    return embedder
