"""What can be found and what is asked: the items of the index, and the queries that its query side is fitted on."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from pipeline_core.activations.vectors import PLAIN_PROMPT, Matrix, Selection, VectorBlocks


@dataclass(frozen=True)
class Items:
    """Items of the index: row n of ``frame`` (the columns of COLUMNS) has the raw vector n of ``vectors`` [n, d]."""

    frame: pl.DataFrame
    vectors: Selection

    def groups(self) -> dict[str, npt.NDArray[np.int64]]:
        """Return the rows of each (modality, prompt), by the group's name: the candidate sets of ReAlign."""
        names = np.array([group_name(*pair) for pair in self.frame.select("modality", "prompt_id").iter_rows()])
        return {str(name): np.flatnonzero(names == name) for name in np.unique(names)}


COLUMNS = ("sample_id", "prompt_id", "modality", "text", "group", "split")


def group_name(modality: str, prompt_id: str) -> str:
    """Name the set of samples of one modality under one prompt."""
    return f"{modality}:{prompt_id}"


def group_of(embeddings: VectorBlocks, modality: str, prompt_id: str) -> str:
    """Name the group that a model's embeddings under a prompt fall into: a dual encoder has one a modality."""
    return group_name(modality, PLAIN_PROMPT if embeddings.plain else prompt_id)


def find_items(embeddings: VectorBlocks, samples: pl.DataFrame, asked: pl.DataFrame, pairs: pl.DataFrame) -> Items:
    """Return every embedding that can be an answer: candidates of a task, and both members of every pair.

    Queries alone (an edit, a phrase) are left out: nobody looks for them. A picture's text is that of its first pair.

    Args:
        embeddings: of one representation.
        samples: of the data set.
        asked: candidates, each under its instruction.
        pairs: pictures with their texts.
    """
    candidates = asked.select("sample_id", "prompt_id")
    members = pl.concat([pairs.select(sample_id="image_id"), pairs.select(sample_id="text_id")]).unique()
    is_candidate = pl.struct("sample_id", "prompt_id").is_in(candidates.to_struct("pair").implode()) | (
        (pl.col("prompt_id") == PLAIN_PROMPT) & pl.col("sample_id").is_in(candidates["sample_id"].implode())
    )
    is_member = pl.col("sample_id").is_in(members["sample_id"].implode())
    captions = (
        pairs.join(samples, left_on="text_id", right_on="sample_id")
        .sort("text_id")
        .group_by("image_id")
        .agg(caption=pl.col("text").first())
    )
    frame = (
        embeddings.labels.filter(is_candidate | is_member)
        .join(samples, on="sample_id")
        .join(captions, left_on="sample_id", right_on="image_id", how="left")
        .with_columns(text=pl.coalesce("text", "caption"))
        .sort("sample_id", "prompt_id")
    )
    return Items(frame.select(COLUMNS), Selection(embeddings, frame["row"].to_numpy()))


def asked_groups(embeddings: VectorBlocks, tasks: pl.DataFrame) -> set[str]:
    """Return the groups of the tasks' queries."""
    return {group_of(embeddings, *pair) for pair in tasks.select("query_modality", "query_prompt_id").iter_rows()}


def support_queries(embeddings: VectorBlocks, queries: pl.DataFrame, tasks: pl.DataFrame) -> dict[str, Matrix]:
    """Return the raw vectors of the support split's queries, by group: what the query side is fitted on."""
    asked = embeddings.embedded(queries.filter(pl.col("split") == "support")).join(tasks, on="task_id")
    columns = ("query_modality", "query_prompt_id", "sample_id", "prompt_id")
    members: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for modality, group_prompt, sample_id, prompt_id in asked.select(columns).iter_rows():
        own_prompt = PLAIN_PROMPT if embeddings.plain else prompt_id
        members[group_of(embeddings, modality, group_prompt)].add((sample_id, own_prompt))
    return {
        name: embeddings.take(embeddings.rows_of(*zip(*sorted(of_group), strict=True)))
        for name, of_group in sorted(members.items())
    }
