"""The small study that the tests of retrieval share."""

import pytest

from tests.retrieval.synthetic import N_FEATURES, SPLITS, WIDTH, Study, write_study


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return write_study(tmp_path_factory.mktemp("study"), SPLITS, WIDTH, N_FEATURES)
