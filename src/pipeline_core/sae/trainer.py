"""Training of an autoencoder on stored token states: seeded, resumable, equal however often it was interrupted."""

import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from pipeline_core.sae.architectures import SaeSettings, trained
from pipeline_core.sae.formats import Provenance
from pipeline_core.sae.formats.saelens import MEMBER
from pipeline_core.sae.origin import write_origin
from pipeline_core.sae.resume import CHECKPOINT, TrainingState
from pipeline_core.sae.tokens import TokenMap, TokenRows, hook_name, map_tokens
from pipeline_core.schema import TABLES
from pipeline_core.schema.parquet import write_table
from pipeline_core.threads import limited_threads

STATES = "states.npy"


def train_sae(
    activations: Path,
    settings: SaeSettings,
    model_name: str,
    folder: Path,
    threads: int,
    checkpoint_steps: int,
    progress: Callable[[int, int], None],
    order: pl.DataFrame | None = None,
    device: str = "cpu",
) -> None:
    """Train on the token states of an activations artifact; write weights, cfg.json and the tables of the stage.

    Loss: mean squared error over all n D entries + penalty * mean |z| over all n S codes. Adam at a constant learning
    rate, gradient clipped by its norm. Every epoch visits every state once, in an order drawn from (seed, epoch), in
    batches of at most ``batch_size`` whose sizes differ by one at most, so that no tail is dropped and none is noisy.
    States are taken as they are stored: no input scaling, hence none to fold away.

    On a CUDA device products are bfloat16, everything else is float32, and the host waits for it at checkpoints alone.

    ``folder`` may hold what an interrupted run left (the memory map, the last checkpoint, or the whole result); what
    comes out equals an uninterrupted run bit for bit with the same ``threads``, the log's volatile columns apart.

    Args:
        activations: an activations artifact.
        settings: architecture, sizes and learning.
        model_name: the model; with the settings' name it makes the sae_id.
        folder: where to write.
        threads: of torch's arithmetic.
        checkpoint_steps: steps between checkpoints: what a kill can lose.
        progress: called with (steps done, steps in all) after every step.
        order: of the samples whose states are trained on, before each epoch draws its own; see ``map_tokens``.
        device: where the arithmetic is done.

    Raises:
        DataError: there are too few token states.
        StoreError: the artifact has none.
    """
    if _finished(folder):
        return
    with limited_threads(threads):
        tokens = map_tokens(activations, folder / STATES, order, settings.leave_out)
        mean = tokens.mean()
        state = start_training(mean, settings, device)
        state.restore(folder)
        _train(state, tokens, mean, settings, folder, checkpoint_steps, progress)
        state.move("cpu")
        sae_id = f"{model_name}/{settings.name}"
        rows = TokenRows.read(activations, order, settings.leave_out)
        write_origin(state.sae, sae_id, settings, activations, rows, folder)
    MEMBER.write(folder, state.sae, Provenance(sae_id, model_name, hook_name(activations)))
    write_table(folder, "sae_training", pl.DataFrame(state.log).with_columns(pl.lit(sae_id).alias("sae_id")))
    for leftover in (STATES, CHECKPOINT):
        (folder / leftover).unlink()


def _finished(folder: Path) -> bool:
    # The last checkpoint goes only after everything else has been written.
    return (folder / TABLES["sae_training"].file_name).is_file() and not (folder / CHECKPOINT).is_file()


def start_training(mean: torch.Tensor, settings: SaeSettings, device: str = "cpu") -> TrainingState:
    """Return an autoencoder that has taken no step, drawn alike for every device; ``mean`` [d] is the states'."""
    generator = torch.Generator().manual_seed(settings.seed)
    sae = trained(settings.architecture).start(mean, settings, generator)
    state = TrainingState(sae, torch.zeros(settings.features, dtype=torch.int64))
    state.move(device)
    learned = [tensor for tensor in sae.state().values() if tensor.requires_grad]
    state.optimizer = torch.optim.Adam(learned, lr=settings.learning_rate, fused=True)
    return state


def _train(
    state: TrainingState,
    tokens: TokenMap,
    mean: torch.Tensor,
    settings: SaeSettings,
    folder: Path,
    checkpoint_steps: int,
    progress: Callable[[int, int], None],
) -> None:
    device = state.last_positive.device
    mean = mean.to(device)
    epoch_steps = -(-len(tokens) // settings.batch_size)
    total = epoch_steps * settings.epochs
    first_epoch, first_batch = divmod(state.step, epoch_steps)
    for epoch in range(first_epoch, settings.epochs):
        batches = _batches(len(tokens), epoch_steps, settings.seed, epoch)
        with closing(read_ahead(tokens, batches[first_batch if epoch == first_epoch else 0 :], device)) as ahead:
            started = time.perf_counter()
            for vectors in ahead:
                measured = train_step(state, vectors, mean, settings)
                # Nothing can be called dead before every state has been seen once.
                dead = (state.step - state.last_positive >= epoch_steps).double().mean()
                now = time.perf_counter()
                state.log.append(
                    {
                        "step": state.step,
                        "epoch": epoch + 1,
                        **measured,
                        "dead_share": dead,
                        "learning_rate": settings.learning_rate,
                        "tokens_per_second": len(vectors) / (now - started),
                    }
                )
                started = now
                if state.step % checkpoint_steps == 0 or state.step == total:
                    state.save(folder)
                progress(state.step, total)


def _batches(n_tokens: int, n_batches: int, seed: int, epoch: int) -> list[npt.NDArray[np.int64]]:
    order = np.random.default_rng([seed, epoch]).permutation(n_tokens)
    return np.array_split(order, n_batches)


def read_ahead(
    tokens: TokenMap, batches: Sequence[npt.NDArray[np.int64]], device: torch.device
) -> Generator[torch.Tensor]:
    """Yield the states [n, d] of each batch on a device; the next one is read while a step is taken."""

    def read(rows: npt.NDArray[np.int64]) -> torch.Tensor:
        vectors = tokens.batch(rows)
        return vectors.pin_memory() if device.type == "cuda" else vectors

    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(read, batches[0])
        for number in range(1, len(batches) + 1):
            vectors = following.result()
            if number < len(batches):
                following = reader.submit(read, batches[number])
            yield vectors.to(device, non_blocking=True)


def train_step(
    state: TrainingState, vectors: torch.Tensor, mean: torch.Tensor, settings: SaeSettings
) -> dict[str, torch.Tensor]:
    """Take one step on states [n, d]; return what the log tells of it, as numbers that the device may still owe."""
    sae = state.sae
    with torch.autocast(vectors.device.type, torch.bfloat16, enabled=vectors.is_cuda):
        codes, reconstruction = sae.forward(vectors)
    squared_error = (vectors - reconstruction).square().sum()
    n_codes = len(vectors) * settings.features
    loss = squared_error / vectors.numel() + settings.penalty * codes.values.sum() / n_codes
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    sae.before_step()
    _clip([tensor for tensor in sae.state().values() if tensor.grad is not None], settings.gradient_clip)
    state.optimizer.step()
    sae.after_step()
    state.step += 1
    positive = codes.values.detach() > 0
    state.last_positive.scatter_reduce_(0, codes.ids, positive * state.step, "amax")
    variation = (vectors - mean).square().sum()
    return {
        "loss": loss.detach(),
        "fvu": squared_error.detach().double() / variation.double(),
        "l0": positive.sum().double() / len(vectors),
    }


def _clip(learned: list[torch.Tensor], largest: float) -> None:
    norm = get_total_norm([tensor.grad for tensor in learned if tensor.grad is not None])
    # On a CPU a look costs nothing, and what needs no clipping is not multiplied by one.
    if norm.is_cuda or bool(largest / (norm + 1e-6) < 1):
        clip_grads_with_norm_(learned, largest, norm)
