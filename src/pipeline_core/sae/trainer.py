"""Training of an autoencoder on stored token states: seeded, resumable, equal however often it was interrupted."""

import time
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch.nn.utils import clip_grad_norm_

from pipeline_core.sae.architectures import SaeSettings, trained
from pipeline_core.sae.formats import Provenance
from pipeline_core.sae.formats.saelens import MEMBER
from pipeline_core.sae.origin import write_origin
from pipeline_core.sae.resume import CHECKPOINT, TrainingState
from pipeline_core.sae.rows import squared_distance
from pipeline_core.sae.sparse import SparseCodes
from pipeline_core.sae.tokens import TokenMap, TokenRows, hook_name, map_tokens
from pipeline_core.sae.updates import RowGradient, clipped
from pipeline_core.schema import TABLES
from pipeline_core.schema.parquet import write_table
from pipeline_core.threads import limited_threads, only_workers

STATES = "states.npy"
_BYTES = 16
"""A number that learns is kept up to four times over in float32: itself, Adam's two means and maybe its gradient."""


@dataclass(frozen=True)
class Training:
    """An autoencoder to be trained.

    Attributes:
        settings: architecture, sizes and learning.
        folder: where to write. It may hold what an interrupted run left (the memory map, the last checkpoint, or the
            whole result).
    """

    settings: SaeSettings
    folder: Path

    @property
    def is_finished(self) -> bool:
        """Whether its folder holds the whole result: the last checkpoint goes after everything else was written."""
        return (self.folder / TABLES["sae_training"].file_name).is_file() and not (self.folder / CHECKPOINT).is_file()


def stream(settings: SaeSettings) -> Hashable:
    """Return what autoencoders must share to be trained on one stream: which states of an artifact, in which batches.

    Widths, k, epochs, architectures and recipes may differ; the seed may not, as the order of states is drawn from it.
    """
    return settings.leave_out, settings.batch_size, settings.seed


def train_saes(
    activations: Path,
    trainings: Sequence[Training],
    model_name: str,
    threads: int,
    checkpoint_steps: int,
    progress: Callable[[int, int], None],
    order: pl.DataFrame | None = None,
    device: str = "cpu",
    memory: int | None = None,
) -> list[float]:
    """Train on the token states of an activations artifact; write weights, cfg.json and the tables of the stage.

    Loss: mean squared error over all n D entries + penalty * mean |z| over all n S codes. Adam at a constant learning
    rate, gradient clipped by its norm. Every epoch visits every state once, in an order drawn from (seed, epoch), in
    batches of at most ``batch_size`` whose sizes differ by one at most, so that no tail is dropped and none is noisy.
    States are taken as they are stored: no input scaling, hence none to fold away.

    Several learn from each batch in turn: states are decoded and read once for all. What comes out of each equals a
    training alone and uninterrupted bit for bit with the same ``threads``, the log's volatile columns apart.

    On a CUDA device products are bfloat16, everything else is float32, and the host waits for it at checkpoints alone.

    Args:
        activations: an activations artifact.
        trainings: autoencoders of one ``stream``.
        model_name: the model; with the settings' name it makes the sae_id.
        threads: of torch's arithmetic.
        checkpoint_steps: steps between checkpoints: what a kill can lose.
        progress: called with (steps done, steps in all), of all together, after every step.
        order: of the samples whose states are trained on, before each epoch draws its own; see ``map_tokens``.
        device: where the arithmetic is done.
        memory: bytes of the host that those which learn at once may take, or one that takes more; by default any.

    Returns:
        The seconds that each took.

    Raises:
        DataError: there are too few token states.
        StoreError: the artifact has none.
    """
    assert len({stream(training.settings) for training in trainings}) == 1, "one stream"
    learners = [_Learner(training, f"{model_name}/{training.settings.name}") for training in trainings]
    unfinished = [learner for learner in learners if not learner.training.is_finished]
    if not unfinished:
        return [0.0] * len(learners)
    leave_out, folders = trainings[0].settings.leave_out, [learner.training.folder for learner in unfinished]
    decoded = next((folder for folder in folders if (folder / STATES).is_file()), folders[0])
    with limited_threads(threads):
        tokens = map_tokens(activations, decoded / STATES, order, leave_out)
        mean = tokens.mean()
        told = _Told(progress, sum(learner.total(tokens) for learner in unfinished))
        for learning in _rounds(unfinished, len(mean), _room(memory, device)):
            for learner in learning:
                learner.start(mean, device)
            _train(learning, tokens, mean.to(device), checkpoint_steps, told)
            rows = TokenRows.read(activations, order, leave_out)
            for learner in learning:
                learner.finish(activations, rows, model_name)
    for leftover in (STATES, CHECKPOINT):
        for folder in folders:
            (folder / leftover).unlink(missing_ok=True)
    return [learner.seconds for learner in learners]


def start_training(mean: torch.Tensor, settings: SaeSettings, device: str = "cpu") -> TrainingState:
    """Return an autoencoder that has taken no step, drawn alike for every device; ``mean`` [d] is the states'."""
    generator = torch.Generator().manual_seed(settings.seed)
    sae = trained(settings.architecture).start(mean, settings, generator)
    state = TrainingState(sae, torch.zeros(settings.features, dtype=torch.int64))
    state.move(device)
    learned = [tensor for tensor in sae.state().values() if tensor.requires_grad]
    state.optimizer = torch.optim.Adam(learned, lr=settings.learning_rate, fused=True)
    return state


@dataclass
class _Told:
    """Progress of several trainings as of one."""

    progress: Callable[[int, int], None]
    total: int
    done: int = 0

    def advance(self, steps: int = 1) -> None:
        self.done += steps
        self.progress(self.done, self.total)


@dataclass
class _Learner:
    """An autoencoder while it learns; its tensors are there from ``start`` to ``finish``."""

    training: Training
    sae_id: str
    seconds: float = 0.0
    state: TrainingState = field(init=False)

    @property
    def settings(self) -> SaeSettings:
        return self.training.settings

    def total(self, tokens: TokenMap) -> int:
        return self.settings.epochs * -(-len(tokens) // self.settings.batch_size)

    def start(self, mean: torch.Tensor, device: str) -> None:
        self.state = start_training(mean, self.settings, device)
        self.state.restore(self.training.folder)

    def learn(self, vectors: torch.Tensor, mean: torch.Tensor, epoch_steps: int, started: float) -> float:
        """Take a step, log it, and return when it ended; ``started`` is when its batch was asked for."""
        state = self.state
        epoch = state.step // epoch_steps + 1
        measured = train_step(state, vectors, mean, self.settings)
        # Nothing can be called dead before every state has been seen once.
        dead = (state.step - state.last_positive >= epoch_steps).double().mean()
        now = time.perf_counter()
        self.seconds += now - started
        state.log.append(
            {
                "step": state.step,
                "epoch": epoch,
                **measured,
                "dead_share": dead,
                "learning_rate": self.settings.learning_rate,
                "tokens_per_second": len(vectors) / (now - started),
            }
        )
        return now

    def finish(self, activations: Path, rows: TokenRows, model_name: str) -> None:
        started, folder = time.perf_counter(), self.training.folder
        self.state.move("cpu")
        sae, log = self.state.sae, pl.DataFrame(self.state.log)
        write_origin(sae, self.sae_id, self.settings, activations, rows, folder)
        MEMBER.write(folder, sae, Provenance(self.sae_id, model_name, hook_name(activations)))
        write_table(folder, "sae_training", log.with_columns(pl.lit(self.sae_id).alias("sae_id")))
        del self.state
        self.seconds += time.perf_counter() - started


def _room(memory: int | None, device: str) -> int | None:
    """Return the bytes that those which learn at once may take: of a GPU's memory three quarters of what is free."""
    if not device.startswith("cuda"):
        return memory
    free, _ = torch.cuda.mem_get_info(device)
    return free * 3 // 4


def _rounds(learners: Sequence[_Learner], width: int, memory: int | None) -> Iterator[list[_Learner]]:
    """Yield those that learn at once: as many as the memory holds, at least one."""
    room = float("inf") if memory is None else memory
    learning: list[_Learner] = []
    taken = 0
    for learner in learners:
        size = _BYTES * learner.settings.features * (2 * width + 1)
        if learning and taken + size > room:
            yield learning
            learning, taken = [], 0
        learning.append(learner)
        taken += size
    yield learning


def _train(
    learning: Sequence[_Learner], tokens: TokenMap, mean: torch.Tensor, checkpoint_steps: int, told: _Told
) -> None:
    settings = learning[0].settings
    epoch_steps = -(-len(tokens) // settings.batch_size)
    totals = [learner.total(tokens) for learner in learning]
    told.done += sum(learner.state.step for learner in learning)
    behind = [learner.state.step for learner, total in zip(learning, totals, strict=True) if learner.state.step < total]
    if not behind:
        return
    first_epoch, first_batch = divmod(min(behind), epoch_steps)
    for epoch in range(first_epoch, max(learner.settings.epochs for learner in learning)):
        first = first_batch if epoch == first_epoch else 0
        batches = _batches(len(tokens), epoch_steps, settings.seed, epoch)[first:]
        with closing(read_ahead(tokens, batches, mean.device)) as ahead:
            started = time.perf_counter()
            for step, vectors in enumerate(ahead, epoch * epoch_steps + first):
                for learner, total in zip(learning, totals, strict=True):
                    # One that was saved further on waits for the others, one of fewer epochs is done.
                    if not learner.state.step == step < total:
                        continue
                    started = learner.learn(vectors, mean, epoch_steps, started)
                    if learner.state.step % checkpoint_steps == 0 or learner.state.step == total:
                        learner.state.save(learner.training.folder)
                    told.advance()


def _batches(n_tokens: int, n_batches: int, seed: int, epoch: int) -> list[npt.NDArray[np.int64]]:
    order = np.random.default_rng([seed, epoch]).permutation(n_tokens)
    return np.array_split(order, n_batches)


def read_ahead(
    tokens: TokenMap, batches: Sequence[npt.NDArray[np.int64]], device: torch.device
) -> Generator[torch.Tensor]:
    """Yield the states [n, d] of each batch on a device; the next one is read while a step is taken.

    To a GPU they go as they are stored, half as many bytes, and are widened there.
    """

    def read(rows: npt.NDArray[np.int64]) -> torch.Tensor:
        return tokens.stored(rows).pin_memory() if device.type == "cuda" else tokens.batch(rows)

    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(read, batches[0])
        for number in range(1, len(batches) + 1):
            vectors = following.result()
            if number < len(batches):
                following = reader.submit(read, batches[number])
            yield tokens.widened(vectors.to(device, non_blocking=True)) if device.type == "cuda" else vectors


def train_step(
    state: TrainingState, vectors: torch.Tensor, mean: torch.Tensor, settings: SaeSettings
) -> dict[str, torch.Tensor]:
    """Take one step on states [n, d]; return what the log tells of it, as numbers that the device may still owe."""
    state.optimizer.zero_grad(set_to_none=True)
    if not vectors.is_cuda:
        with only_workers():
            found = state.sae.gradients(vectors, settings.penalty)
            if found is not None:
                codes, squared_error, of_rows = found
                loss = _loss(codes, squared_error, vectors, settings)
                _learn_by_rows(state, of_rows, settings.gradient_clip)
                return _taken(state, vectors, mean, codes, squared_error, loss)
    return _taken(state, vectors, mean, *_learn(state, vectors, settings))


def _taken(
    state: TrainingState,
    vectors: torch.Tensor,
    mean: torch.Tensor,
    codes: SparseCodes,
    squared_error: torch.Tensor,
    loss: torch.Tensor,
) -> dict[str, torch.Tensor]:
    """Note that a step was taken, on what, and what codes, squared error and loss were before it; return the log's."""
    state.step += 1
    positive = codes.values.detach() > 0
    state.last_positive.scatter_reduce_(0, codes.ids, positive * state.step, "amax")
    return {
        "loss": loss.detach(),
        "fvu": squared_error.detach().double() / squared_distance(vectors, mean),
        "l0": positive.sum().double() / len(vectors),
    }


def _loss(
    codes: SparseCodes, squared_error: torch.Tensor, vectors: torch.Tensor, settings: SaeSettings
) -> torch.Tensor:
    n_codes = len(vectors) * settings.features
    return squared_error / vectors.numel() + settings.penalty * codes.values.sum() / n_codes


def _learn(
    state: TrainingState, vectors: torch.Tensor, settings: SaeSettings
) -> tuple[SparseCodes, torch.Tensor, torch.Tensor]:
    """Take a step by gradients that torch finds; return codes, squared error and loss before it."""
    sae = state.sae
    with torch.autocast(vectors.device.type, torch.bfloat16, enabled=vectors.is_cuda):
        codes, squared_error = sae.squared_error(vectors)
    loss = _loss(codes, squared_error, vectors, settings)
    loss.backward()  # type: ignore[no-untyped-call]
    sae.before_step()
    clip_grad_norm_([tensor for tensor in sae.state().values() if tensor.grad is not None], settings.gradient_clip)
    state.optimizer.step()
    sae.after_step()
    return codes, squared_error, loss


def _learn_by_rows(state: TrainingState, of_rows: Sequence[RowGradient], clip: float) -> None:
    """Take a step by gradients in rows, and by those that lie beside other tensors."""
    others = [tensor.grad for tensor in state.sae.state().values() if tensor.grad is not None]
    scale, of_rows = clipped(of_rows, others, clip)
    if scale != 1:
        for gradient in others:
            gradient.mul_(scale)
    state.optimizer.step()
    for rows in of_rows:
        rows.step(state.optimizer, scale)
