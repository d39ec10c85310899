"""How near is a training step to the encoder's product, and what is the rest made of?

Run: python -m benchmarks.sae_step [rounds] [activations]. It trains on states from a map on the disk: drawn ones at two
sizes, or those of an activations artifact (a folder of a store), at which features are used as unevenly as in earnest
and gradients are clipped. In each round the product, a whole step, each of its parts, and at the smaller size a plain
dense step, in turn; printed are medians, ratios to the product within rounds, and what the parts would take at the
product's rate or at the speed of copying memory. The dense step keeps the n x S matrix of codes in the graph, as a
plain loop does, and must end at the same loss.
"""

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from pipeline_core.sae import kernels
from pipeline_core.sae.architectures.topk import TopKSae, TopKSettings
from pipeline_core.sae.gradients import linear_gradients, weighed
from pipeline_core.sae.reconstruction import compare
from pipeline_core.sae.resume import TrainingState
from pipeline_core.sae.rows import squared_distance
from pipeline_core.sae.tokens import TokenMap, map_tokens
from pipeline_core.sae.trainer import read_ahead, start_training, train_step
from pipeline_core.threads import limited_threads

SIZES = ((576, 4_608, 32, 4_096), (2_304, 20_736, 50, 1_024))
DENSE = 4_608
"""Widest dictionary that the dense step is tried at: it takes several times as long."""

ROUNDS, BATCHES = 7, 8
STEPS = 20
"""Taken before the timing, by when features are used as they will be."""

Part = tuple[Callable[[], object], float, float]
"""What is timed, the operations that it needs, and the bytes that it moves."""


def dense_step(state: TrainingState, vectors: Tensor, settings: TopKSettings) -> Tensor:
    """Take the same step with dense codes; return its loss."""
    sae = state.sae
    assert isinstance(sae, TopKSae)
    activations = torch.relu(torch.addmm(sae.encoder_bias, vectors, sae.encoder.T))
    top = activations.topk(settings.k, dim=1)
    codes = torch.zeros_like(activations).scatter(1, top.indices, top.values)
    loss = (vectors - codes @ sae.dictionary).square().mean() + settings.penalty * codes.abs().mean()
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    sae.before_step()
    torch.nn.utils.clip_grad_norm_([sae.encoder, sae.encoder_bias, sae.dictionary], settings.gradient_clip)
    state.optimizer.step()
    sae.after_step()
    return loss.detach()


def parts(state: TrainingState, x: Tensor, k: int) -> dict[str, Part]:
    """Return the parts of a step on states [n, d]; the last is one only where the bound of norms does not suffice."""
    sae = state.sae
    assert isinstance(sae, TopKSae)
    encoder, bias, rows = (tensor.detach().clone() for tensor in (sae.encoder, sae.encoder_bias, sae.dictionary))
    again = TopKSae(encoder, bias, rows, sae.decoder_bias, k, False)
    (n, d), s = x.shape, len(rows)
    codes = again.encode(x)
    _, _, products = compare(codes, rows, sae.decoder_bias, x)
    of_rows = linear_gradients(again, codes, x, 0.0).of_rows
    optimizer = torch.optim.Adam([encoder, rows], lr=0.0)
    small = [replace(gradient, values=1e-6 * gradient.values) for gradient in of_rows]
    touched, whole, read = 4.0 * n * k * d, 4.0 * s * d, 4.0 * n * d
    return {
        "product and top k": (lambda: kernels._largest(x, encoder, bias, k), 2.0 * n * s * d, 8.0 * n * s),
        "decode, error, gradient of codes": (
            lambda: compare(codes, rows, sae.decoder_bias, x),
            4.0 * n * k * d,
            touched,
        ),
        "codes by feature, their weights": (lambda: weighed(codes, products, s, 1.0, 0.0), 0.0, 64.0 * n * k),
        "gradient of encoder, Adam": (lambda: small[0].step(optimizer, 1.0), 2.0 * n * k * d, read + 6 * whole),
        "gradient of dictionary, Adam": (lambda: small[1].step(optimizer, 1.0), 2.0 * n * k * d, read + 6 * whole),
        "spread of states": (lambda: squared_distance(x, sae.decoder_bias), 0.0, read),
        "norms of gradients at most": (lambda: [gradient.at_most() for gradient in small], 0.0, 2 * read),
        "norms, where that is too much": (
            lambda: [gradient.measured() for gradient in small],
            4.0 * n * k * d,
            2 * read + whole,
        ),
    }


def timed(way: Callable[[], object]) -> float:
    """Return the seconds that it takes."""
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def in_turn(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Time all ways in turn, round after round, after one in which optimisers make their states."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            took = timed(way)
            if number:
                seconds[name].append(took)
    return seconds


def drawn(path: Path, n: int, d: int) -> TokenMap:
    """Return normal states [n, d]."""
    np.save(path, 2 * np.random.default_rng(0).standard_normal((n, d), dtype=np.float32).astype(np.float16))
    return TokenMap(path, 1.0, np.load(path, mmap_mode="r"))


def measure(tokens: TokenMap, size: tuple[int, int, int, int], rounds: int, steps: int = 0) -> None:
    """Print the table of one size, after some steps."""
    d, s, k, n = size
    settings = TopKSettings(name="paper", features=s, k=k, batch_size=n)
    n_batches = min(BATCHES, len(tokens) // n)
    mean, order = tokens.mean(), np.random.default_rng(1).permutation(len(tokens))
    batches = order[: n_batches * n].reshape(n_batches, n)
    state, dense = start_training(mean, settings), start_training(mean, settings)
    for step in range(steps):
        vectors = tokens.batch(batches[step % n_batches])
        for learner in (state, dense):
            train_step(learner, vectors, mean, settings)
    x, product = tokens.batch(batches[0]), torch.empty(n, s)
    with torch.no_grad():
        pieces = parts(state, x, k)
    source, target = torch.empty(1 << 26), torch.empty(1 << 26)
    encoder = state.sae.tensors()["W_enc"].detach()
    ways: dict[str, Callable[[], object]] = {
        "product": lambda: torch.mm(x, encoder, out=product),
        "copy": lambda: target.copy_(source),
        "step": lambda: train_step(state, x, mean, settings),
    }
    if s <= DENSE:
        ways["dense step"] = lambda: dense_step(dense, x, settings)
    ways |= {name: torch.no_grad()(way) for name, (way, _, _) in pieces.items()}
    seconds = in_turn(ways, rounds)
    operations, bandwidth = (
        2.0 * n * s * d / statistics.median(seconds["product"]),
        2.0 * 4 * len(source) / statistics.median(seconds["copy"]),
    )
    table = Table(title=f"n {n}, d {d}, S {s}, k {k}: {operations / 1e9:.0f} GFLOP/s, {bandwidth / 1e9:.0f} GB/s")
    for heading in ("", "seconds", "to the product", "bound"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, own in seconds.items():
        ratio = statistics.median(one / base for one, base in zip(own, seconds["product"], strict=True))
        _, needed, moved = pieces.get(name, (None, 0.0, 0.0))
        bound = max(needed / operations, moved / bandwidth) * operations / (2.0 * n * s * d)
        table.add_row(name, f"{statistics.median(own):.4f}", f"{ratio:.3f}", f"{bound:.3f}" if name in pieces else "")
    Console().print(table)
    if s <= DENSE:
        losses = (train_step(state, x, mean, settings)["loss"], dense_step(dense, x, settings))
        print("losses, sparse and dense:", *(f"{loss.item():.5f}" for loss in losses), flush=True)
    waited, started = 0.0, time.perf_counter()
    ahead = read_ahead(tokens, list(batches), torch.device("cpu"))
    for _ in range(n_batches):
        before = time.perf_counter()
        vectors = next(ahead)
        waited += time.perf_counter() - before
        train_step(state, vectors, mean, settings)
    print(f"waits for input: {waited / (time.perf_counter() - started):.1%} of {n_batches} steps", flush=True)


def main() -> None:
    """Print a table for each size."""
    rounds = int(sys.argv[1]) if sys.argv[1:] else ROUNDS
    with limited_threads(2), TemporaryDirectory() as folder:
        if sys.argv[2:]:
            tokens = map_tokens(Path(sys.argv[2]), Path(folder) / "states.npy")
            d = tokens.halves.shape[1]
            measure(tokens, (d, 8 * d, 32, min(4_096, len(tokens))), rounds, STEPS)
            return
        for d, s, k, n in SIZES:
            measure(drawn(Path(folder) / f"{d}.npy", BATCHES * n, d), (d, s, k, n), rounds)


if __name__ == "__main__":
    main()
