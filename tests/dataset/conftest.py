"""The emoji data set, built once for all tests."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from pipeline_core.dataset.build import build_dataset
from pipeline_core.dataset.settings import DatasetSettings
from pipeline_core.dataset.sources.emoji import EmojiSettings
from pipeline_core.schema import tables_of
from pipeline_core.schema.parquet import read_table


@dataclass(frozen=True)
class Built:
    folder: Path
    tables: dict[str, pl.DataFrame]

    def __getitem__(self, name: str) -> pl.DataFrame:
        return self.tables[name]

    def searched(self) -> pl.DataFrame:
        """The candidates (task_id, split, sample_id) of each task, whether or not it shares its pool."""
        return self["candidates"].join(self["tasks"], on="pool_id").select("task_id", "split", "sample_id")


def build_and_read(settings: DatasetSettings, folder: Path) -> Built:
    """Build a data set into a new folder and read its tables."""
    folder.mkdir()
    build_dataset(settings, folder)
    return Built(folder, {table.name: read_table(folder, table.name) for table in tables_of("dataset")})


@pytest.fixture(scope="session")
def build() -> Callable[[DatasetSettings, Path], Built]:
    return build_and_read


@pytest.fixture(scope="session")
def emoji(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build_and_read(EmojiSettings(), tmp_path_factory.mktemp("emoji") / "artifact")
