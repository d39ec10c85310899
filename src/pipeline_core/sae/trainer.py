"""Training of a TopK autoencoder on stored token states: seeded, resumable, equal however often it was interrupted."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch.nn.utils import clip_grad_norm_

from pipeline_core.activations.vectors import representations
from pipeline_core.config import ContrastiveSaeConfig, SaeConfig
from pipeline_core.sae.checkpoints import Provenance, write_sae
from pipeline_core.sae.resume import CHECKPOINT, TrainingState
from pipeline_core.sae.tokens import TokenMap, map_tokens
from pipeline_core.sae.topk import Recipe, TopKModule
from pipeline_core.schema import TABLES
from pipeline_core.schema.parquet import write_table
from pipeline_core.threads import limited_threads

STATES = "states.npy"

Sizes = SaeConfig | ContrastiveSaeConfig


def train_sae(
    activations: Path,
    recipe: Recipe,
    config: SaeConfig,
    contrastive: bool,
    model_name: str,
    folder: Path,
    threads: int,
    progress: Callable[[int, int], None],
) -> None:
    """Train on the token states of an activations artifact; write weights, cfg.json and the table sae_training.

    Loss: mean squared error over all n D entries + penalty * mean |z| over all n S codes. Adam at a constant learning
    rate, gradient clipped by its norm. Every epoch visits every state once, in an order drawn from (seed, epoch), in
    batches of at most ``batch_size`` whose sizes differ by one at most, so that no tail is dropped and none is noisy.
    States are taken as they are stored: no input scaling, hence none to fold away.

    ``folder`` may hold what an interrupted run left (the memory map, the last checkpoint, or the whole result); what
    comes out equals an uninterrupted run bit for bit with the same ``threads``, the log's volatile columns apart.

    Args:
        activations: an activations artifact.
        recipe: "paper" or "centred", see ``topk``.
        config: sizes and learning.
        contrastive: take the sizes for contrastive models.
        model_name: the model; with the recipe it makes the sae_id.
        folder: where to write.
        threads: of torch's arithmetic.
        progress: called with (steps done, steps in all) after every step.

    Raises:
        DataError: there are too few token states.
        StoreError: the artifact has none.
    """
    if _finished(folder):
        return
    sizes: Sizes = config.contrastive if contrastive else config
    with limited_threads(threads):
        tokens = map_tokens(activations, folder / STATES)
        mean = tokens.mean()
        state = _start(mean, sizes, config, recipe)
        state.restore(folder)
        _train(state, tokens, mean, sizes, config, folder, progress)
    sae_id = f"{model_name}/{recipe}"
    provenance = Provenance(sae_id, model_name, recipe, _hook_name(activations))
    write_sae(folder, state.module.freeze(), provenance)
    write_table(folder, "sae_training", pl.DataFrame(state.log).with_columns(pl.lit(sae_id).alias("sae_id")))
    for leftover in (STATES, CHECKPOINT):
        (folder / leftover).unlink()


def _finished(folder: Path) -> bool:
    # The last checkpoint goes only after everything else has been written.
    return (folder / TABLES["sae_training"].file_name).is_file() and not (folder / CHECKPOINT).is_file()


def _start(mean: torch.Tensor, sizes: Sizes, config: SaeConfig, recipe: Recipe) -> TrainingState:
    generator = torch.Generator().manual_seed(config.seed)
    module = TopKModule(mean, sizes.features, sizes.k, recipe, generator)
    learned = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(learned, lr=config.learning_rate, fused=True)
    return TrainingState(module, optimizer, torch.zeros(sizes.features, dtype=torch.int64))


def _train(
    state: TrainingState,
    tokens: TokenMap,
    mean: torch.Tensor,
    sizes: Sizes,
    config: SaeConfig,
    folder: Path,
    progress: Callable[[int, int], None],
) -> None:
    epoch_steps = -(-len(tokens) // sizes.batch_size)
    total = epoch_steps * sizes.epochs
    first_epoch, first_batch = divmod(state.step, epoch_steps)
    for epoch in range(first_epoch, sizes.epochs):
        batches = _batches(len(tokens), epoch_steps, config.seed, epoch)
        for rows in batches[first_batch if epoch == first_epoch else 0 :]:
            started = time.perf_counter()
            measured = _step(state, tokens.batch(rows), mean, config)
            state.log.append(
                {
                    "step": state.step,
                    "epoch": epoch + 1,
                    **measured,
                    "dead_share": _dead_share(state, epoch_steps),
                    "learning_rate": config.learning_rate,
                    "tokens_per_second": len(rows) / (time.perf_counter() - started),
                }
            )
            if state.step % config.checkpoint_steps == 0 or state.step == total:
                state.save(folder)
            progress(state.step, total)


def _batches(n_tokens: int, n_batches: int, seed: int, epoch: int) -> list[npt.NDArray[np.int64]]:
    order = np.random.default_rng([seed, epoch]).permutation(n_tokens)
    return np.array_split(order, n_batches)


def _step(state: TrainingState, vectors: torch.Tensor, mean: torch.Tensor, config: SaeConfig) -> dict[str, float]:
    module = state.module
    codes, reconstruction = module(vectors)
    squared_error = (vectors - reconstruction).square().sum()
    n_codes = len(vectors) * module.dictionary.shape[0]
    loss = squared_error / vectors.numel() + config.penalty * codes.values.sum() / n_codes
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    module.project_gradient()
    clip_grad_norm_(module.parameters(), config.gradient_clip)
    state.optimizer.step()
    module.restore_unit_norm()
    state.step += 1
    positive = codes.values > 0
    state.last_positive[codes.ids[positive]] = state.step
    return {
        "loss": loss.item(),
        "fvu": squared_error.item() / (vectors - mean).square().sum().item(),
        "l0": positive.sum().item() / len(vectors),
    }


def _dead_share(state: TrainingState, epoch_steps: int) -> float:
    # Nothing can be called dead before every state has been seen once.
    return (state.step - state.last_positive >= epoch_steps).double().mean().item()


def _hook_name(activations: Path) -> str:
    trained_on = representations(activations).filter(pl.col("at_analysis_layer")).row(0, named=True)
    return f"L{trained_on['layer']}/{trained_on['norm_position']}"
