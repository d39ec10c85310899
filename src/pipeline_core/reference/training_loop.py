"""The one optimisation loop of all reference training: AdamW, cosine decay, averaged weights, best on validation."""

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TypeVar, cast

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from pipeline_core.reference.training_pictures import Progress

_GRADIENT_NORM = 1.0

Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast a stage learns; the number of steps, never the clock, decides the result.

    Attributes:
        steps: optimiser steps.
        learning_rate: peak, reached after `warmup` steps, then decayed to zero along a cosine.
        warmup: steps of linear warm-up.
        weight_decay: AdamW's.
        averaging: decay of the exponential moving average of the weights, which is what is validated and kept.
        validate_every: steps between validations.
        patience: validations without a new best after which the stage ends early.
    """

    steps: int
    learning_rate: float
    warmup: int = 20
    weight_decay: float = 0.05
    averaging: float = 0.98
    validate_every: int = 50
    patience: int = 2


class TrainingLog:
    """A JSON-lines file: one object a validation, with stage, step, and what was measured."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, stage: str, step: int, measured: Mapping[str, float]) -> None:
        """Add one line."""
        line = {"stage": stage, "step": step, **{name: round(value, 5) for name, value in measured.items()}}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def fit(
    stage: str,
    module: Module,
    batch_loss: Callable[[], torch.Tensor],
    validate: Callable[[Module], Mapping[str, float]],
    schedule: Schedule,
    *,
    log: TrainingLog,
    progress: Progress,
    keep: Callable[[Module], None] = lambda _: None,
) -> dict[str, float]:
    """Train `module` in place and leave in it the averaged weights that scored best on validation.

    Args:
        stage: name in the log.
        module: what learns.
        batch_loss: draws a batch and returns its loss, computed through `module`.
        validate: measures a candidate; its `score` is maximised.
        schedule: length and speed.
        log: gets every validation.
        progress: called after every step.
        keep: called with each new best candidate, so that a long run can be cut short.

    Returns:
        What `validate` measured on the weights that were kept, and their `step`.
    """
    optimizer = torch.optim.AdamW(module.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay)
    warmup = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / schedule.warmup, total_iters=schedule.warmup)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, schedule.steps - schedule.warmup)
    scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, [warmup, decay], [schedule.warmup])
    average = get_ema_multi_avg_fn(schedule.averaging)  # type: ignore[no-untyped-call]
    averaged = AveragedModel(module, multi_avg_fn=average)
    best: dict[str, float] = {"score": float("-inf"), "step": 0}
    best_weights = copy.deepcopy(module.state_dict())
    losses: list[float] = []
    for step in range(1, schedule.steps + 1):
        module.train()
        optimizer.zero_grad(set_to_none=True)
        loss = batch_loss()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(module.parameters(), _GRADIENT_NORM)
        optimizer.step()
        scheduler.step()
        averaged.update_parameters(module)
        losses.append(loss.item())
        progress(stage, step, schedule.steps)
        if step % schedule.validate_every and step < schedule.steps:
            continue
        candidate = cast(Module, averaged.module).eval()
        with torch.inference_mode():
            measured = {"train_loss": fmean(losses), **validate(candidate)}
        losses.clear()
        log.append(stage, step, measured)
        if measured["score"] > best["score"]:
            best, best_weights = {**measured, "step": step}, copy.deepcopy(candidate.state_dict())
            keep(candidate)
        elif step - best["step"] >= schedule.patience * schedule.validate_every:
            break
    module.load_state_dict(best_weights)
    module.eval()
    return best
