"""What is embedded, and in which batch of which shard: a pure function of the data set and the config.

Batches never cross shards and neither depends on what was done before, so an interrupted extraction that goes on gives
what an uninterrupted one gives.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import polars as pl

from pipeline_core.errors import DataError
from pipeline_core.schema.parquet import read_table

NO_PROMPT = "none"
"""Prompt of dual encoders."""


@dataclass(frozen=True)
class DatasetTables:
    """The tables of a dataset artifact that say what must be embedded."""

    samples: pl.DataFrame
    tasks: pl.DataFrame
    queries: pl.DataFrame
    candidates: pl.DataFrame
    prompts: pl.DataFrame

    @classmethod
    def read(cls, dataset_folder: Path) -> "DatasetTables":
        """Read them from a dataset artifact.

        Raises:
            StoreError: a table is missing or not readable.
        """
        return cls(*(read_table(dataset_folder, n) for n in ("samples", "tasks", "queries", "candidates", "prompts")))


@dataclass(frozen=True)
class Item:
    """One sample under one instruction: one row of every representation."""

    sample_id: str
    prompt_id: str
    modality: str
    text: str | None
    instruction: str | None
    image_ref: str | None
    image_key: str | None
    split: str


@dataclass(frozen=True)
class Shard:
    """Items that are embedded and written together, in batches of alike length."""

    number: int
    batches: tuple[tuple[Item, ...], ...]

    @property
    def items(self) -> tuple[Item, ...]:
        """All items, in the order of the batches."""
        return tuple(item for batch in self.batches for item in batch)


def plan_extraction(tables: DatasetTables, contrastive: bool, shard_size: int, batch_size: int) -> tuple[Shard, ...]:
    """Plan the extraction.

    Items are put in an order that looks random but is fixed, by a digest of their picture or sample, so that every
    shard is a fair sample of the data and that all uses of a picture come together. Within a shard they are batched by
    length; items with a picture share no batch with items without.

    Args:
        tables: the data set.
        contrastive: the model is a dual encoder, which embeds each sample once under the prompt ``none``.
        shard_size: items a shard.
        batch_size: most items a batch.

    Raises:
        DataError: a training sample's modality occurs in no task, so that no instruction is known for it.
    """
    items = sorted(needed_items(tables, contrastive), key=lambda i: (_digest(i), i.sample_id, i.prompt_id))
    chunks = [items[start : start + shard_size] for start in range(0, len(items), shard_size)]
    return tuple(Shard(number, _batches(chunk, batch_size)) for number, chunk in enumerate(chunks))


def needed_items(tables: DatasetTables, contrastive: bool) -> list[Item]:
    """Return each (sample, prompt) that a task or the training of SAEs needs, once, by sample and prompt id.

    Raises:
        DataError: as in ``plan_extraction``.
    """
    columns = ["sample_id", "prompt_id"]
    queries = tables.queries.join(tables.tasks, on="task_id").select("sample_id", prompt_id="query_prompt_id")
    candidates = tables.candidates.join(tables.tasks, on="task_id").select("sample_id", prompt_id="candidate_prompt_id")
    train = tables.samples.filter(pl.col("split") == "train")
    training = train.select(
        "sample_id", prompt_id=pl.col("modality").replace_strict(default_prompts(tables.tasks), default=None)
    )
    if training["prompt_id"].null_count():
        modality = train.filter(training["prompt_id"].is_null())["modality"][0]
        raise DataError(f"no task has samples of modality {modality}", "give the data set a task that uses them")
    pairs = pl.concat([queries.select(columns), candidates.select(columns), training.select(columns)])
    if contrastive:
        pairs = pairs.with_columns(prompt_id=pl.lit(NO_PROMPT))
    instructions = tables.prompts.select("prompt_id", instruction="text")
    return [
        Item(
            row["sample_id"],
            row["prompt_id"],
            row["modality"],
            row["text"],
            row["instruction"],
            row["image_ref"],
            row["sha256"],
            row["split"],
        )
        for row in pairs.unique()
        .join(tables.samples, on="sample_id")
        .join(instructions, on="prompt_id", how="left")
        .sort(columns)
        .iter_rows(named=True)
    ]


def default_prompts(tasks: pl.DataFrame) -> Mapping[str, str]:
    """Return the instruction under which samples of each modality are embedded for training.

    It is the one used most by tasks between single modalities; by other tasks only if there are none. Ties go to the
    first id.
    """
    sides = [
        tasks.select(
            modality=f"{side}_modality",
            prompt_id=f"{side}_prompt_id",
            composed=pl.any_horizontal(pl.col("query_modality", "candidate_modality") == "image_text"),
        )
        for side in ("query", "candidate")
    ]
    ranked = (
        pl.concat(sides)
        .group_by("modality", "prompt_id", "composed")
        .len()
        .sort("modality", "composed", "len", "prompt_id", descending=[False, False, True, False])
        .unique("modality", keep="first", maintain_order=True)
    )
    return dict(ranked.select("modality", "prompt_id").iter_rows())


def _batches(items: Sequence[Item], batch_size: int) -> tuple[tuple[Item, ...], ...]:
    ordered = sorted(items, key=lambda i: (i.image_ref is not None, _length(i), i.sample_id, i.prompt_id))
    batches: list[tuple[Item, ...]] = []
    for _, group in groupby(ordered, key=lambda i: i.image_ref is not None):
        alike = tuple(group)
        batches += [alike[start : start + batch_size] for start in range(0, len(alike), batch_size)]
    return tuple(batches)


def _length(item: Item) -> int:
    # Characters stand for tokens: what a picture and the template add is the same for every item of a batch.
    return len(item.text or "") + len(item.instruction or "")


def _digest(item: Item) -> str:
    return hashlib.sha256((item.image_key or item.sample_id).encode()).hexdigest()
