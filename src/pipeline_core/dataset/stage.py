"""The stage ``dataset``: samples, splits, tasks and judgements of one source."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline_core.dataset.settings import DatasetSettings
from pipeline_core.dataset.sources import DEFAULT, SOURCES, dataset_settings_type
from pipeline_core.stage import DataSetStage, Subject, Work


class Dataset(DataSetStage):
    """Reads the source, quarantines bad rows, splits by group, sets tasks."""

    name = "dataset"
    about = "Reads a source, splits it by group, and writes samples, tasks and judgements."
    version = 4
    settings = dataset_settings_type()

    def default(self) -> Any:
        """Return the settings of the embedded data set."""
        return SOURCES[DEFAULT].settings.model_validate({})

    def source(self, subject: Subject) -> str:
        """Return the identity of the source: versions of packages, digests of the files that rows name."""
        from pipeline_core.dataset.build import source_identity

        return source_identity(subject.settings(DatasetSettings))

    def data_files(self) -> Sequence[Path]:
        """Return the SQL that makes tables of large benchmarks."""
        from pipeline_core.dataset.benchmark import SQL

        return SQL

    def build(self, work: Work[Subject]) -> None:
        """Write the tables of the data set."""
        from pipeline_core.dataset.build import build_dataset

        build_dataset(work.settings(DatasetSettings), work.folder)


STAGE = Dataset()
