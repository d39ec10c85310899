"""The data set ``mbeir``: tasks of M-BEIR in the files of UniIR (Wei et al. 2024, arXiv 2311.17136), or in Parquet."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from pipeline_core.dataset.published import PublishedTask, read_published
from pipeline_core.dataset.settings import DataFolder, FolderedSettings
from pipeline_core.dataset.sources._in_folder import FolderedSource, Reading
from pipeline_core.settings import Count


class MBeirSettings(FolderedSettings):
    """Tasks of M-BEIR, whole or as a declared sample."""

    needed: ClassVar[Mapping[str, str]] = {"path": "the folder of M-BEIR", "tasks": "a list such as [mscoco_task0]"}

    name: Literal["mbeir"] = Field("mbeir", description="Which data set: tasks of M-BEIR in a folder.")
    path: DataFolder = Field(
        description="Folder of M-BEIR: query, cand_pool and qrels, or folders with query, corpus and qrels in Parquet."
    )
    tasks: tuple[str, ...] = Field(
        min_length=1,
        description="Tasks as its files name them, such as mscoco_task0; in Parquet also mscoco_t2i, or mscoco for all "
        "of the data set.",
    )
    pool: Literal["local", "union"] = Field(
        "local", description="What is searched: the task's own candidates, or those of all tasks."
    )
    mixed: bool = Field(
        False,
        description="Queries search the whole pool, as M-BEIR's union pool is meant to be, not only its candidates of "
        "the modality that is asked for.",
    )
    instructions: Literal["released", "own"] = Field(
        "released", description="Instructions of queries: the paper's released ones, or the first of M-BEIR's own."
    )
    queries: Count | None = Field(None, description="Most queries of each task and split; null takes all.")
    distractors: Count | None = Field(
        None, description="Most candidates of a pool beside right answers and hard negatives; null takes all."
    )
    draw: int = Field(0, ge=0, description="Draws another sample, where queries or distractors are limited.")


class MBeirSource(FolderedSource[MBeirSettings]):
    """Tasks of M-BEIR."""

    name = "mbeir"
    description = "Tasks of M-BEIR in the files of UniIR or in Parquet, whole or as a declared sample."
    settings = MBeirSettings

    @property
    def reading(self) -> Reading[MBeirSettings]:
        """Return the module."""
        from pipeline_core.dataset.sources.mbeir import reading  # noqa: PLC0415 - heavy

        return reading

    def published(self, settings: MBeirSettings) -> Sequence[PublishedTask]:
        """Return the tasks that are chosen as M-BEIR published them; empty for a sample, the union pool, other names.

        A task is called as by its files (``mscoco_task0``), by its sides (``mscoco_t2i``) or its data set (``mscoco``).
        """
        if settings.queries or settings.distractors or settings.pool != "local":
            return ()
        known = read_published(Path(__file__).with_name("counts.csv"))

        def called(task: PublishedTask, name: str) -> bool:
            collection = task.task.partition("_")[0]
            return name in (task.task, f"{collection}_{task.sides}", collection)

        chosen = [[task for task in known if called(task, name)] for name in settings.tasks]
        return [task for tasks in chosen for task in tasks] if all(chosen) else ()


MEMBER = MBeirSource()
