"""How much does a sparse training step save over the plain dense one? Run: python benchmarks/sae_step.py.

Both do the same steps (codes, loss, gradients, clipping, Adam, unit rows) on the same vectors from the same start, and
must end at the same loss; the dense one keeps the whole n x S matrix of codes in the graph, as a plain loop does.
"""

import statistics
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from pipeline_core.sae.architectures.topk import MEMBER, TopKSae, TopKSettings

WIDTH, FEATURES, K, BATCH, STEPS = 576, 4096, 32, 4096, 7
PENALTY, LEARNING_RATE, CLIP = 0.01, 8e-4, 1.0


def sparse_loss(sae: TopKSae, vectors: Tensor) -> Tensor:
    """The loss of pipeline_core.sae."""
    codes, reconstruction = sae.forward(vectors)
    penalty = PENALTY * codes.values.sum() / (len(vectors) * FEATURES)
    return (vectors - reconstruction).square().mean() + penalty


def dense_loss(sae: TopKSae, vectors: Tensor) -> Tensor:
    """The same loss with dense codes."""
    activations = torch.relu(torch.addmm(sae.encoder_bias, vectors, sae.encoder.T))
    top = activations.topk(K, dim=1)
    codes = torch.zeros_like(activations).scatter(1, top.indices, top.values)
    return (vectors - codes @ sae.dictionary).square().mean() + PENALTY * codes.abs().mean()


def train(loss_of: Callable[[TopKSae, Tensor], Tensor], vectors: Tensor) -> tuple[float, float]:
    """Train from a fixed start; return the last loss and the median seconds a step, the first left out."""
    settings = TopKSettings(name="paper", features=FEATURES, k=K)
    sae = MEMBER.start(vectors.mean(0), settings, torch.Generator().manual_seed(0))
    learned = [tensor for tensor in sae.state().values() if tensor.requires_grad]
    optimizer = torch.optim.Adam(learned, lr=LEARNING_RATE, fused=True)
    seconds = []
    for _ in range(STEPS):
        started = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(sae, vectors)
        loss.backward()
        sae.before_step()
        clip_grad_norm_(learned, CLIP)
        optimizer.step()
        sae.after_step()
        seconds.append(time.perf_counter() - started)
    return loss.item(), statistics.median(seconds[1:])


def main() -> None:
    """Print one table."""
    torch.set_num_threads(2)
    vectors = 2.0 * torch.randn(BATCH, WIDTH, generator=torch.Generator().manual_seed(1))
    table = Table(title=f"n {BATCH}, d {WIDTH}, S {FEATURES}, k {K}")
    for heading in ("step", "seconds", "ratio to dense", f"loss after {STEPS}"):
        table.add_column(heading, justify="left" if heading == "step" else "right")
    results = {"dense": train(dense_loss, vectors), "sparse": train(sparse_loss, vectors)}
    for name, (loss, seconds) in results.items():
        table.add_row(name, f"{seconds:.3f}", f"{seconds / results['dense'][1]:.2f}", f"{loss:.5f}")
    Console().print(table)


if __name__ == "__main__":
    main()
