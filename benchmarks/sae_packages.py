"""How long do other packages take for a training step? Run: python -m benchmarks.sae_packages.

Of sparsify, SAELens and dictionary_learning what can be imported, the encoder's product and a step of ours, in
turn on the same vectors: TopK, Adam, gradients clipped, features at unit norm where the package keeps them so. Losses
are each package's own. overcomplete's step is the dense one of benchmarks/sae_step.py; it asks for torchvision.
"""

import statistics
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from benchmarks.sae_step import in_turn
from pipeline_core.sae.architectures.topk import TopKSettings
from pipeline_core.sae.trainer import start_training, train_step
from pipeline_core.threads import limited_threads

D, S, K, N = 576, 4_608, 32, 4_096
RATE, ROUNDS = 8e-4, 9
Step = Callable[[], Any]


def ours(x: Tensor) -> Step:
    """A step of pipeline_core."""
    settings = TopKSettings(name="paper", features=S, k=K, batch_size=N)
    mean = x.mean(0)
    state = start_training(mean, settings)
    return lambda: train_step(state, x, mean, settings)


def sparsify(x: Tensor) -> Step:
    """A step of sparsify's trainer, without its auxiliary losses."""
    from sparsify.config import SparseCoderConfig  # noqa: PLC0415
    from sparsify.sparse_coder import SparseCoder  # noqa: PLC0415

    coder = SparseCoder(D, SparseCoderConfig(num_latents=S, k=K))
    optimizer = torch.optim.Adam(coder.parameters(), lr=RATE, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        coder(x).fvu.backward()
        coder.remove_gradient_parallel_to_decoder_directions()
        clip_grad_norm_(coder.parameters(), 1.0)
        optimizer.step()
        coder.set_decoder_norm_to_unit_norm()

    return step


def dictionary_learning(x: Tensor) -> Step:
    """A step of dictionary_learning's trainer."""
    from dictionary_learning.trainers.top_k import TopKTrainer  # noqa: PLC0415

    trainer = TopKTrainer(10**6, D, S, K, 0, "", lr=RATE, device="cpu", seed=0)
    return lambda: trainer.update(1, x)  # the first step, number 0, looks for a median


def saelens(x: Tensor) -> Step:
    """A forward pass of SAELens in training, backward, and Adam."""
    from sae_lens.saes.sae import TrainStepInput  # noqa: PLC0415
    from sae_lens.saes.topk_sae import TopKTrainingSAE, TopKTrainingSAEConfig  # noqa: PLC0415

    sae = TopKTrainingSAE(TopKTrainingSAEConfig(d_in=D, d_sae=S, k=K))
    optimizer = torch.optim.Adam(sae.parameters(), lr=RATE, fused=True)
    given = TrainStepInput(x, {}, None, 0, False)

    def step() -> None:
        optimizer.zero_grad()
        sae.training_forward_pass(given).loss.backward()
        clip_grad_norm_(sae.parameters(), 1.0)
        optimizer.step()

    return step


def main() -> None:
    """Print a table."""
    rounds = int(sys.argv[1]) if sys.argv[1:] else ROUNDS
    with limited_threads(2):
        x = 2 * torch.randn(N, D, generator=torch.Generator().manual_seed(0))
        encoder, product = torch.randn(S, D), torch.empty(N, S)
        ways: dict[str, Step] = {"product": lambda: torch.mm(x, encoder.T, out=product)}
        for name, made in (("ours", ours), *((one.__name__, one) for one in (sparsify, dictionary_learning, saelens))):
            try:
                ways[name] = made(x)
            except ImportError as error:
                print(f"{name} is left out: {error}")
        seconds = in_turn(ways, rounds)
        print(f"n {N:,}, d {D}, S {S:,}, k {K}, medians of {rounds}")
        for name, own in seconds.items():
            ratio = statistics.median(one / base for one, base in zip(own, seconds["product"], strict=True))
            print(f"{name:<20}{statistics.median(own):>9.3f} s{ratio:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
