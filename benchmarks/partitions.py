"""What does a part of an extraction cost, by who carries it out? Run: python -m benchmarks.partitions FOLDER [PARTS].

A part is a shard of 512 embeddings of width 576: planned, written, read again and sealed as any, but that random
vectors stand for a model. One process builds all in turn; then two threads of Prefect; then two processes of a Ray
cluster, if Ray is installed. FOLDER is where they are written, 1.3 MB a part and way.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from prefect import flow

from flows.inline import InlineRunner
from flows.prefect_runner import submit_steps
from flows.server import prepare_server, temporary_server
from pipeline_core.activations.plan import Shard
from pipeline_core.activations.shards import write_shard
from pipeline_core.activations.stage import Activations
from pipeline_core.models.embedder import Embedded
from pipeline_core.models.representations import model_representation
from pipeline_core.planner.execution import claimed_parts
from pipeline_core.planner.plan import Plan
from pipeline_core.planner.planning import plan_analysis
from pipeline_core.schema import TABLES
from pipeline_core.schema.parquet import write_table
from pipeline_core.stage import ModelSubject, Work
from pipeline_core.store.artifacts import Store
from pipeline_core.store.journal import LiveRun, RunRecord
from tests.small import picture_folder, small_config

STEP, SHARD, WIDTH = "activations/reference-contrastive", 512, 576
RUNNERS = ("inline", "prefect", "ray")


class Stub(Activations):
    """The extraction, without a model."""

    def builder(self, work: Work[ModelSubject]) -> Callable[[Shard, Callable[[int], None]], None]:
        """Draw vectors; what is returned writes them as those of a shard."""
        model = work.subject.model.name
        vectors = np.random.default_rng(0).standard_normal((1, SHARD, WIDTH), dtype=np.float32)
        known = pl.DataFrame([{"model": model, "attention": "sdpa"} | asdict(model_representation(model))])

        def build(shard: Shard, advance: Callable[[int], None]) -> None:
            embedded = Embedded(vectors, np.ones((1, SHARD), dtype=np.int32), ())
            write_shard(work.folder, shard, known, embedded, [])
            advance(SHARD)

        return build


def write_dataset(folder: Path, n: int) -> None:
    """Write texts that are all searched, and one of them that asks for itself."""
    samples = pl.DataFrame({"sample_id": [f"text:{i:08d}" for i in range(n)]}).with_columns(
        pl.lit("text").alias("modality"), text=pl.col("sample_id"), group=pl.col("sample_id"), split=pl.lit("test")
    )
    task = {"task_id": "t2t", "task_type": "t->t", "query_modality": "text", "candidate_modality": "text"}
    task |= {"query_prompt_id": "text", "candidate_prompt_id": "text", "pool_id": "t2t", "primary_k": 1}
    asked = samples.head(1).select("sample_id", "split", query_id="sample_id", task_id=pl.lit("t2t"))
    tables = {
        "samples": samples,
        "tasks": pl.DataFrame([task | {"control": "none", "description": "itself", "unanswered": 0}]),
        "queries": asked.with_columns(prompt_id=pl.lit("text")),
        "candidates": samples.select("sample_id", "split", pool_id=pl.lit("t2t")),
        "prompts": pl.DataFrame([{"prompt_id": "text", "text": "Describe it."}]),
    }
    for name, rows in tables.items():
        absent = [c.name for c in TABLES[name].columns if c.name not in rows.columns]
        write_table(folder, name, rows.with_columns(pl.lit(None).alias(column) for column in absent))


def stubbed(pictures: Path, runner: str, workers: int) -> Plan:
    """Plan an extraction by the stub; what is made of it is left out."""
    placement = (f"placement.{name}" for name in (f"runner={runner}", f"workers={workers}", f"shard_size={SHARD}"))
    plan = plan_analysis(small_config(pictures, "model.name=reference-contrastive", "compare_with=[]", *placement))
    kept = {"dataset": plan.steps["dataset"], STEP: replace(plan.steps[STEP], maker=Stub())}
    return replace(plan, steps=kept)


def carry_out(plan: Plan, root: Path) -> float:
    """Carry a plan out by its runner, and return the seconds that it took; the server is there."""
    record = RunRecord(run_id="run", flow="analyze", config={}, state="running", started=datetime.now(UTC))
    run = LiveRun(record.model_copy(update={"artifacts": tuple(plan.run_artifacts())}))
    carried = InlineRunner() if plan.config.placement.runner == "inline" else flow(name="parts")(submit_steps)
    start = time.perf_counter()
    failure = carried(plan, root, run)
    if failure is not None:
        raise failure
    return time.perf_counter() - start


def main() -> None:
    """Print a row a runner."""
    folder, n_parts = Path(sys.argv[1]), int((*sys.argv[2:], "1000")[0])
    prepare_server()
    temporary_server()
    print(f"{n_parts:,} parts of {SHARD} x {WIDTH}", flush=True)
    print(f"{'runner':>10}{'workers':>9}{'plan s':>9}{'wall s':>9}{'ms a part':>11}{'beside inline':>15}", flush=True)
    alone = None
    for runner, workers in zip(RUNNERS, (1, 2, 2), strict=True):
        if runner == "ray" and find_spec("prefect_ray") is None:
            continue
        with TemporaryDirectory(dir=folder) as place:
            plan = stubbed(picture_folder(Path(place, "pictures"), 6), runner, workers)
            store = Store(Path(place, "store"))
            data = plan.steps["dataset"]
            store.materialize(data.key, lambda to: write_dataset(to, n_parts * SHARD), rules=data.rules)
            start = time.perf_counter()
            with claimed_parts(plan, STEP, store) as sizes:
                planned, n_found = time.perf_counter() - start, len(sizes)
            assert n_found == n_parts
            seconds = carry_out(plan, store.root)
        alone = alone or seconds
        a_part = 1000 * (seconds - planned) / n_parts
        print(
            f"{runner:>10}{workers:>9}{planned:>9.1f}{seconds:>9.1f}{a_part:>11.1f}{seconds / alone:>15.2f}", flush=True
        )


if __name__ == "__main__":
    main()
