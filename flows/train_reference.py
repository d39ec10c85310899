"""Rebuild the shipped reference weights: `python -m flows.train_reference --output FOLDER`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from prefect import flow, get_run_logger
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline_core.dataset.sources.emoji.records import read_emoji_records
from pipeline_core.model_facts import Rendering
from pipeline_core.reference.training import TrainingPlan, train_reference

CAPTION_STEPS_A_MINUTE = 24
"""Measured on two quiet cores; minutes are turned into steps, so that the clock never decides the weights."""


@flow(name="train-reference")
def train_reference_flow(
    output: Path, minutes: int | None = None, align: bool = True, rendering: Rendering = "released"
) -> dict[str, Any]:
    """Train projector and heads on the emoji train split and write them, with a log, into `output`.

    Args:
        output: folder for `projector.safetensors`, `heads.safetensors` and `training.jsonl` and `evaluation.json`.
        minutes: about how long to train captions; None takes the schedule of the shipped weights.
        align: False leaves out the alignment stage, the model card's ablation.
        rendering: how the prompts end that captions answer.
    """
    plan = TrainingPlan(rendering=rendering)
    if minutes is not None:
        plan = replace(plan, captions=replace(plan.captions, steps=minutes * CAPTION_STEPS_A_MINUTE))
    if not align:
        plan = replace(plan, alignment=replace(plan.alignment, steps=0))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as bars:
        shown = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in shown:
                shown[what] = bars.add_task(what, total=total)
            bars.update(shown[what], completed=done)

        best = train_reference(read_emoji_records(), plan, output, show)
    get_run_logger().info("best on validation: %s", {stage: best[stage] for stage in best if stage != "test"})
    return best


def main(
    output: Annotated[Path, typer.Option(help="Folder for the weights and the log.")],
    minutes: Annotated[int | None, typer.Option(help="About how long to train captions, on two quiet cores.")] = None,
    align: Annotated[bool, typer.Option(help="Run the alignment stage before captions.")] = True,
    rendering: Annotated[Rendering, typer.Option(help="How prompts end that captions answer.")] = "released",
) -> None:
    """Rebuild the weights of the reference models."""
    train_reference_flow(output, minutes, align, rendering)


if __name__ == "__main__":
    typer.run(main)
