"""Which samples' attention is measured: a stable choice among the test queries of each modality."""

import polars as pl

from pipeline_core.activations.plan import DatasetTables, Request, needed_requests
from pipeline_core.retrieval.randomness import generator

TASK_TYPES = {"image": "i->t", "text": "t->i", "image_text": "it->i"}
"""By modality, the type of the tasks whose queries are drawn from; their instruction is the one that they get there."""


def choose_requests(tables: DatasetTables, modality: str, count: int, seed: int, purpose: str) -> list[Request]:
    """Return up to ``count`` distinct test queries of a modality, by id; none if the data set has no such task.

    Args:
        tables: the data set.
        modality: image, text or image_text.
        count: most requests.
        seed: of the choice.
        purpose: names the choice, so that two choices do not draw alike.
    """
    tasks = tables.tasks.filter(pl.col("task_type") == TASK_TYPES[modality], pl.col("control") == "none")
    queries = tables.queries.filter(pl.col("split") == "test").join(tasks, on="task_id", how="semi")
    wanted = set(queries.select("sample_id", "prompt_id").iter_rows())
    needed = needed_requests(tables, prompts=True)
    requests = [request for request in needed if (request.sample_id, request.prompt_id) in wanted]
    picks = generator(seed, f"{purpose}/{modality}").choice(len(requests), min(count, len(requests)), replace=False)
    return [requests[pick] for pick in sorted(picks)]
