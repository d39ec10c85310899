"""What is embedded, and in which batch of which shard: a pure function of the data set and the config.

Batches never cross shards and neither depends on what was done before, so an interrupted extraction that goes on gives
what an uninterrupted one gives.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import polars as pl

from pipeline_core.activations.vectors import PLAIN_PROMPT
from pipeline_core.dataset.pools import searched
from pipeline_core.dataset.prompts import PLAIN
from pipeline_core.errors import DataError
from pipeline_core.schema.parquet import read_table

_TRAIN, _HELD_OUT = "train", "validation"
_ORDER = 512
"""Requests that ``training_order`` puts in order together, whatever the size of shards."""


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
class Request:
    """One sample under one instruction: one row of every representation."""

    sample_id: str
    prompt_id: str
    modality: str
    text: str | None
    instruction: str | None
    image_ref: str | None
    image_key: str | None
    split: str
    keeps_states: bool = False


@dataclass(frozen=True)
class Shard:
    """A partition of the extraction: requests embedded and written together, in batches of alike length.

    ``planned`` are the requests of all shards.
    """

    number: int
    batches: tuple[tuple[Request, ...], ...]
    planned: int

    @property
    def requests(self) -> tuple[Request, ...]:
        """All requests, in the order of the batches."""
        return tuple(request for batch in self.batches for request in batch)


def plan_extraction(
    tables: DatasetTables, prompts: bool, shard_size: int, batch_size: int, training_alone: bool = False
) -> tuple[Shard, ...]:
    """Plan the extraction.

    Requests are put in an order that looks random but is fixed, by a digest of their picture or sample, so that every
    shard is a fair sample of the data and that all uses of a picture come together. Within a shard they are batched by
    length; requests with a picture share no batch with requests without.

    Args:
        tables: the data set.
        prompts: the model follows instructions; others embed each sample once, under the prompt ``none``.
        shard_size: requests a shard.
        batch_size: most requests a batch.
        training_alone: as in ``needed_requests``.

    Raises:
        DataError: a training sample's modality occurs in no task, so that no instruction is known for it.
    """
    requests = needed_requests(tables, prompts, training_alone)
    chunks = _chunks(requests, shard_size)
    return tuple(Shard(number, _batches(chunk, batch_size), len(requests)) for number, chunk in enumerate(chunks))


def training_order(tables: DatasetTables, prompts: bool) -> pl.DataFrame:
    """Return the order in which an autoencoder takes the states of train samples: that of shards of one fixed size.

    How an extraction was cut into shards is a matter of placement, which no result may hang on.

    Returns:
        Columns sample_id and prompt_id, a row a request.

    Raises:
        DataError: as in ``plan_extraction``.
    """
    chunks = _chunks(needed_requests(tables, prompts), _ORDER)
    trained = ([(r.sample_id, r.prompt_id) for r in chunk if r.split == _TRAIN] for chunk in chunks)
    ordered = [pair for chunk in trained for pair in sorted(chunk)]
    return pl.DataFrame(ordered, {"sample_id": pl.String, "prompt_id": pl.String}, orient="row")


def needed_requests(tables: DatasetTables, prompts: bool, training_alone: bool = False) -> list[Request]:
    """Return each (sample, prompt) that a task or the training of SAEs needs, once, by sample and prompt id.

    Args:
        tables: the data set.
        prompts: the model follows instructions.
        training_alone: the data train autoencoders and are not searched: there are no queries and candidates, and
            states are kept of the split validation, too, to measure an autoencoder on what it has not seen.

    Raises:
        DataError: as in ``plan_extraction``.
    """
    columns = ["sample_id", "prompt_id"]
    queries = tables.queries.select(columns)
    candidates = searched(tables.tasks, tables.candidates, tables.samples)
    keeping = [_TRAIN, _HELD_OUT] if training_alone else [_TRAIN]
    train = tables.samples.filter(pl.col("split").is_in(keeping))
    known = {modality: PLAIN[modality] for modality in candidates["modality"].unique()} | default_prompts(tables.tasks)
    training = train.select("sample_id", prompt_id=pl.col("modality").replace_strict(known, default=None))
    if training["prompt_id"].null_count():
        modality = train.filter(training["prompt_id"].is_null())["modality"][0]
        raise DataError(f"no task has samples of modality {modality}", "give the data set a task that uses them")
    asked = [] if training_alone else [queries, candidates.select(columns)]
    pairs = pl.concat([*asked, training.select(columns)])
    if not prompts:
        pairs = pairs.with_columns(prompt_id=pl.lit(PLAIN_PROMPT))
    instructions = tables.prompts.select("prompt_id", instruction="text")
    return [
        Request(
            row["sample_id"],
            row["prompt_id"],
            row["modality"],
            row["text"],
            row["instruction"],
            row["image_ref"],
            row["sha256"],
            row["split"],
            row["split"] in keeping,
        )
        for row in pairs.unique()
        .join(tables.samples, on="sample_id")
        .join(instructions, on="prompt_id", how="left")
        .sort(columns)
        .iter_rows(named=True)
    ]


def default_prompts(tasks: pl.DataFrame) -> dict[str, str]:
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


def _chunks(requests: Sequence[Request], size: int) -> list[list[Request]]:
    ordered = sorted(requests, key=lambda r: (_digest(r), r.sample_id, r.prompt_id))
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def _batches(requests: Sequence[Request], batch_size: int) -> tuple[tuple[Request, ...], ...]:
    ordered = sorted(requests, key=lambda r: (r.image_ref is not None, _length(r), r.sample_id, r.prompt_id))
    batches: list[tuple[Request, ...]] = []
    for _, group in groupby(ordered, key=lambda r: r.image_ref is not None):
        alike = tuple(group)
        batches += [alike[start : start + batch_size] for start in range(0, len(alike), batch_size)]
    return tuple(batches)


def _length(request: Request) -> int:
    # Characters stand for tokens: what a picture and the template add is the same for every request of a batch.
    return len(request.text or "") + len(request.instruction or "")


def _digest(request: Request) -> str:
    return hashlib.sha256((request.image_key or request.sample_id).encode()).hexdigest()
