"""Gradients, updates and steps by rows beside those that torch finds of the dense formulas."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.nn.utils import clip_grad_norm_

from pipeline_core.sae.architectures.topk import MEMBER, TopKSae, TopKSettings
from pipeline_core.sae.reconstruction import compare
from pipeline_core.sae.sparse import SparseCodes
from pipeline_core.sae.trainer import start_training, train_step
from pipeline_core.sae.updates import RowGradient, clipped

WIDTH, FEATURES, BATCH, PENALTY = 37, 300, 64, 0.5
PAPER = TopKSettings(name="paper", features=FEATURES, k=6, learning_rate=5e-3)
KINDS = pytest.mark.parametrize(
    "settings",
    [
        PAPER,
        PAPER.model_copy(update={"centred": True}),
        PAPER.model_copy(update={"initialisation": "released"}),
        PAPER.model_copy(update={"gradient_clip": 0.01}),
        PAPER.model_copy(update={"gradient_clip": 0.01, "centred": True}),
    ],
    ids=["paper", "centred", "released", "clipped", "centred and clipped"],
)


class DenseSae(TopKSae):
    """What derives from an architecture, whose gradients torch finds, as it might decode in another way."""


def states(seed: int) -> Tensor:
    return 2 * torch.randn(BATCH, WIDTH, generator=torch.Generator().manual_seed(seed)) + 0.5


def started(settings: TopKSettings) -> TopKSae:
    sae = MEMBER.start(states(9).mean(0), settings, torch.Generator().manual_seed(0))
    with torch.no_grad():
        sae.encoder_bias.add_(0.1 * torch.randn(FEATURES, generator=torch.Generator().manual_seed(1)))
    return sae


def written(gradient: RowGradient) -> Tensor:
    """Return what it stands for, dense and in float64."""
    features = torch.arange(len(gradient.rows)).repeat_interleave(gradient.starts.diff())
    parts = gradient.values.double()[:, None] * gradient.vectors.double()[gradient.owners]
    return torch.zeros(gradient.rows.shape, dtype=torch.float64).index_add_(0, features, parts)


@pytest.mark.parametrize("counts", [[6] * BATCH, [i % 11 for i in range(BATCH)]], ids=["k a row", "ragged"])
def test_reconstructions_are_compared_as_dense_ones(counts: list[int]) -> None:
    random = torch.Generator().manual_seed(7)
    ids = torch.cat([torch.randperm(FEATURES, generator=random)[:count] for count in counts])
    offsets = torch.nn.functional.pad(torch.tensor(counts).cumsum(0), (1, 0))
    values, bias = torch.rand(len(ids), generator=random), torch.randn(WIDTH, generator=random)
    rows, owners = started(PAPER).dictionary.detach(), torch.arange(BATCH).repeat_interleave(torch.tensor(counts))
    error, differences, products = compare(SparseCodes(values, ids, offsets), rows, bias, states(1))
    exact = values.double().requires_grad_()
    dense = torch.zeros(BATCH, FEATURES, dtype=torch.float64).index_put((owners, ids), exact)
    expected = dense @ rows.double() + bias - states(1)
    (expected.square().sum() / 2).backward()
    assert error == pytest.approx(expected.square().sum().item(), rel=1e-6)
    torch.testing.assert_close(differences.double(), expected.detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(products.double(), exact.grad, rtol=1e-5, atol=1e-4)


@KINDS
def test_gradients_are_those_of_the_dense_loss(settings: TopKSettings) -> None:
    sae, x = started(settings), states(1)
    found = sae.gradients(x, PENALTY)
    exact = {name: tensor.detach().double().requires_grad_() for name, tensor in sae.state().items()}
    shift = exact["decoder_bias"] if settings.centred else 0.0
    scores = torch.relu((x.double() - shift) @ exact["encoder"].T + exact["encoder_bias"])
    kept = scores.topk(settings.k, dim=1)
    codes = torch.zeros_like(scores).scatter(1, kept.indices, kept.values)
    error = (codes @ exact["dictionary"] + shift - x).square().sum()
    (error / x.numel() + PENALTY * codes.mean()).backward()
    torch.testing.assert_close(found.codes.values.view(BATCH, -1), kept.values.detach().float())
    assert found.squared_error.item() == pytest.approx(error.item(), rel=1e-6)
    for gradient, name in zip(found.of_rows, ("encoder", "dictionary"), strict=True):
        assert gradient.rows is sae.state()[name]
        torch.testing.assert_close(written(gradient), exact[name].grad, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(sae.encoder_bias.grad.double(), exact["encoder_bias"].grad, rtol=1e-5, atol=1e-7)
    assert (sae.decoder_bias.grad is not None) is settings.centred
    if settings.centred:
        torch.testing.assert_close(sae.decoder_bias.grad.double(), exact["decoder_bias"].grad, rtol=1e-5, atol=1e-7)


@dataclass
class Sums:
    """Rows that learn, one of zeros, and parts of their gradients, of the first none."""

    rows: Tensor
    ids: Tensor

    @classmethod
    def drawn(cls) -> "Sums":
        random = torch.Generator().manual_seed(3)
        rows = normalize(torch.randn(FEATURES, WIDTH, generator=random))
        rows[2] = 0
        return cls(rows.requires_grad_(), torch.randint(3, FEATURES, (400,), generator=random).sort().values)

    def gradient(self, seed: int, unit: bool, turns: bool) -> RowGradient:
        random = torch.Generator().manual_seed(seed)
        owners = torch.randint(0, BATCH, self.ids.shape, generator=random)
        starts = torch.searchsorted(self.ids, torch.arange(FEATURES + 1))
        values = torch.randn(self.ids.shape, generator=random)
        return RowGradient(self.rows, starts, owners, values, states(seed), unit, turns)


def turned(gradient: RowGradient) -> Tensor:
    """Return what counts of it, dense."""
    dense, rows = written(gradient), gradient.rows.detach().double()
    return dense - (dense * rows).sum(1, keepdim=True) * rows if gradient.turns else dense


@pytest.mark.parametrize("turns", [False, True])
def test_the_norm_of_a_gradient_is_that_of_all_its_numbers_and_at_most_what_lengths_say(turns: bool) -> None:
    gradient = Sums.drawn().gradient(4, True, turns)
    assert gradient.measured()[0] == pytest.approx(turned(gradient).norm().item(), rel=1e-5)
    assert gradient.measured()[0] <= gradient.at_most()
    lengths = (gradient.values.abs() * gradient.vectors.norm(dim=1)[gradient.owners]).double()
    features = torch.arange(FEATURES).repeat_interleave(gradient.starts.diff())
    reach = torch.zeros(FEATURES, dtype=torch.float64).index_add_(0, features, lengths)
    assert gradient.at_most() == pytest.approx(reach.norm().item(), rel=1e-6)


@pytest.mark.parametrize(("unit", "turns"), [(False, False), (True, False), (True, True)])
def test_steps_are_those_of_torchs_adam(unit: bool, turns: bool) -> None:
    ours, theirs = Sums.drawn(), Sums.drawn()
    optimizers = [torch.optim.Adam([sums.rows], lr=1e-2) for sums in (ours, theirs)]
    for step in range(6):
        gradient = ours.gradient(step, unit, turns)
        theirs.rows.grad = 0.25 * turned(theirs.gradient(step, unit, turns)).float()
        optimizers[1].step()
        if unit:
            theirs.rows.detach().copy_(normalize(theirs.rows.detach()))
        gradient.step(optimizers[0], 0.25)
    torch.testing.assert_close(ours.rows, theirs.rows, rtol=1e-4, atol=1e-5)
    found, expected = (optimizer.state_dict()["state"][0] for optimizer in optimizers)
    assert found.keys() == expected.keys() and found["step"] == expected["step"] == 6
    for name in ("exp_avg", "exp_avg_sq"):
        # In units of the last place: torch's betas are float64, too.
        torch.testing.assert_close(found[name], expected[name], rtol=3e-6, atol=1e-6)
    assert float(ours.rows[2].detach().abs().max()) == 0


@pytest.mark.parametrize(("unit", "turns"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize(("n_parts", "n_features", "are_written"), [(0, 1, False), (400, 297, False), (400, 99, True)])
def test_a_gradient_that_was_measured_takes_the_same_step(
    n_parts: int, n_features: int, are_written: bool, unit: bool, turns: bool
) -> None:
    """As sums, one a feature that has any, where four parts and more make one on average."""
    ours, theirs = Sums.drawn(), Sums.drawn()
    ours.ids = theirs.ids = (3 + ours.ids % n_features).sort().values[:n_parts]
    optimizers = [torch.optim.Adam([sums.rows], lr=1e-2) for sums in (ours, theirs)]
    for step in range(3):
        gradient = ours.gradient(step, unit, turns)
        measured = gradient.measured()[1]
        assert (measured is not gradient) is are_written
        assert not are_written or len(measured.vectors) == len(ours.ids.unique())
        measured.step(optimizers[0], 0.25)
        theirs.gradient(step, unit, turns).step(optimizers[1], 0.25)
    torch.testing.assert_close(ours.rows, theirs.rows, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("largest", [1e-3, 1.0, 1e9])
def test_gradients_are_clipped_as_torch_clips_them(largest: float) -> None:
    gradient, other = Sums.drawn().gradient(4, False, False), torch.linspace(-1, 1, 9)
    tensors = [torch.zeros(gradient.rows.shape), torch.zeros(9)]
    tensors[0].grad, tensors[1].grad = written(gradient).float(), other.clone()
    clip_grad_norm_(tensors, largest)
    scale = clipped([gradient], [other], largest)[0]
    torch.testing.assert_close(scale * other, tensors[1].grad)
    assert (scale == 1.0) is (largest == 1e9)


def test_a_norm_within_the_limit_that_lengths_do_not_tell_clips_nothing() -> None:
    gradient = Sums.drawn().gradient(4, False, False)
    assert gradient.measured()[0] < 0.99 * gradient.at_most()
    assert clipped([gradient], [], 1.001 * gradient.measured()[0])[0] == 1.0
    assert clipped([gradient], [], 0.999 * gradient.measured()[0])[0] == pytest.approx(0.999, rel=1e-5)


def test_a_small_limit_is_torchs_too() -> None:
    """What torch adds to a norm counts where the limit is as small."""
    other = torch.full((1,), 1e-6)
    rows = Sums.drawn().gradient(4, False, False)
    none = replace(rows, values=torch.zeros_like(rows.values))
    assert clipped([none], [other], 1e-6)[0] == pytest.approx(0.5)
    assert clipped([none], [other], 1.9e-6)[0] == pytest.approx(0.95)


def test_a_gradient_that_is_no_number_is_not_taken_for_a_small_one() -> None:
    gradient = Sums.drawn().gradient(4, False, False)
    gradient.vectors[gradient.owners[5]] = torch.nan
    assert clipped([gradient], [], 1.0)[0] != 1.0


@KINDS
def test_a_step_by_rows_is_the_one_that_torch_takes(settings: TopKSettings) -> None:
    mean = states(9).mean(0)
    ours, theirs = start_training(mean, settings), start_training(mean, settings)
    theirs.sae = DenseSae(**vars(theirs.sae))
    for step in range(5):
        measured = [train_step(state, states(step), mean, settings) for state in (ours, theirs)]
        assert measured[0]["loss"].item() == pytest.approx(measured[1]["loss"].item(), rel=1e-5)
        assert measured[0]["l0"] == measured[1]["l0"]
    for name, tensor in ours.sae.state().items():
        torch.testing.assert_close(tensor, theirs.sae.state()[name], rtol=1e-4, atol=1e-4)
    # Adam forgets how gradients are scaled, its means do not.
    means, expected = (state.optimizer.state_dict()["state"] for state in (ours, theirs))
    assert means.keys() == expected.keys()
    for number, found in means.items():
        for name in ("exp_avg", "exp_avg_sq"):
            largest = float(expected[number][name].abs().max())
            torch.testing.assert_close(found[name], expected[number][name], rtol=1e-3, atol=1e-4 * largest)
    assert theirs.sae.encoder.grad is not None
    assert ours.sae.encoder.grad is None and ours.sae.dictionary.grad is None
