"""Gradients beside torch's own of the same operations; a training beside the plain loop's."""

from threading import local

import pytest
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, normalize

from pipeline_core.sae import largest as module
from pipeline_core.sae.architectures.topk import MEMBER, TopKSae, TopKSettings
from pipeline_core.sae.grouping import grouped
from pipeline_core.sae.kernels import combine, top_codes
from pipeline_core.sae.rows import squared_distance
from pipeline_core.sae.sparse import SparseCodes
from pipeline_core.sae.trainer import start_training, train_step
from pipeline_core.threads import limited_threads

WIDTH, FEATURES, BATCH = 40, 1200, 96
SETTINGS = TopKSettings(name="paper", features=FEATURES, k=6, learning_rate=5e-3)


def states(seed: int) -> Tensor:
    return 2 * torch.randn(BATCH, WIDTH, generator=torch.Generator().manual_seed(seed)) + 0.5


def start() -> TopKSae:
    return MEMBER.start(torch.zeros(WIDTH), SETTINGS, torch.Generator().manual_seed(0))


def test_a_reconstruction_and_its_gradients_are_those_of_torchs_bag() -> None:
    sae = start()
    codes = top_codes(states(1), sae.encoder, sae.encoder_bias, SETTINGS.k)
    values, ids, offsets = (part.detach() for part in codes)
    found = []
    for ours in (True, False):
        learned, rows = values.clone().requires_grad_(), sae.dictionary.detach().clone().requires_grad_()
        rebuilt = (
            combine(codes._replace(values=learned), rows)
            if ours
            else embedding_bag(ids, rows, offsets[:-1], per_sample_weights=learned, mode="sum")
        )
        (states(1) - rebuilt).square().sum().backward()
        found.append((rebuilt, learned.grad, rows.grad))
    (rebuilt, of_values, of_rows), (expected, *gradients) = found
    assert torch.equal(rebuilt, expected) and torch.equal(of_values, gradients[0])
    # What a feature gets is added in the order of rows; torch's own pass adds it in none.
    torch.testing.assert_close(of_rows, gradients[1])


def test_states_spread_about_a_centre() -> None:
    x, centre = states(1), torch.linspace(-1.0, 1.0, WIDTH)
    expected = (x.double() - centre).square().sum()
    torch.testing.assert_close(squared_distance(x, centre), expected, rtol=1e-6, atol=0)


def test_codes_are_grouped_as_a_stable_sort_would() -> None:
    random = torch.Generator().manual_seed(2)
    ids = torch.randint(0, 50, (400,), generator=random) * 2
    features, expected = ids.sort(stable=True)
    offsets = torch.tensor([0, 3, 3, 200, 400])
    starts, order, owners = grouped(SparseCodes(torch.ones(400), ids, offsets), 101)
    assert torch.equal(starts, torch.searchsorted(features, torch.arange(102)))
    assert torch.equal(order, expected)
    assert torch.equal(owners, torch.tensor([0, 2, 3]).repeat_interleave(torch.tensor([3, 197, 200]))[order])


def test_rows_are_scored_by_blocks_as_if_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sae = start()
    whole = sae.encode(states(1))
    monkeypatch.setattr(module, "_SCORES", 20 * FEATURES)
    monkeypatch.setattr(module, "_ROWS", 20)
    for one, other in zip(sae.encode(states(1)), whole, strict=True):
        assert torch.equal(one, other)


def test_workers_score_their_own_rows_as_all_score_them_together(monkeypatch: pytest.MonkeyPatch) -> None:
    sae, x = start(), states(2)
    encoder, bias = sae.encoder.detach(), torch.linspace(-1, 1, FEATURES)
    # Elsewhere scores would be screened, and not all be made.
    monkeypatch.setattr(module, "screens", lambda: False)
    with limited_threads(2):
        values, ids = module.largest(x, encoder, bias, SETTINGS.k)
        for scores in (10**9, 50 * FEATURES):
            monkeypatch.setattr(module, "_SCORES", scores)
            monkeypatch.setattr(module, "_ROWS", 20)
            own, whose = module.largest(x, encoder, bias, SETTINGS.k)
            torch.testing.assert_close(own, values)
            assert torch.equal(whose, ids)


def test_no_block_of_rows_is_a_leftover() -> None:
    """A product of a few rows costs as much as one of hundreds: it lays out the whole encoder."""
    sae = start()
    for n in (1, 7, 1023, 1024, 1600, 3600, 4096, 4097):
        for scores in (100 * FEATURES, 1365 * FEATURES, 2100 * FEATURES, 10**9):
            step = module._Task(torch.zeros(n, 2), sae.encoder, sae.encoder_bias, 6, None).rows(scores, module._ROWS)
            assert min(n, module._ROWS) <= step <= n
            assert n % step == 0 or n % step > 0.9 * step


def test_a_bias_may_lie_anywhere() -> None:
    sae, bias = start(), torch.linspace(-1, 1, 2 * FEATURES)[::2]
    encoder = sae.encoder.detach()
    for one in (bias, torch.tensor(0.5).expand(FEATURES)):
        values, ids = module.largest(states(1), encoder, one, SETTINGS.k)
        again, whose = module.largest(states(1), encoder, one.clone(memory_format=torch.contiguous_format), SETTINGS.k)
        assert torch.equal(values, again) and torch.equal(ids, whose)


@pytest.mark.parametrize(("features", "k"), [(1, 1), (7, 7), (63, 5), (64, 8), (700, 50), (1200, 6)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_largest_scores_are_those_of_a_sort(features: int, k: int, dtype: torch.dtype) -> None:
    random = torch.Generator().manual_seed(features)
    # Whole numbers: products are exact, and many are equal, of which the first come first.
    x, rows = (torch.randint(-3, 4, (n, 3), generator=random).to(dtype) for n in (33, features))
    bias = torch.randint(-2, 3, (features,), generator=random).to(dtype)
    expected = torch.sort(x @ rows.T + bias, dim=1, descending=True, stable=True)
    values, ids = module.largest(x, rows, bias, k)
    assert torch.equal(values, expected.values[:, :k]) and torch.equal(ids, expected.indices[:, :k])


@pytest.mark.parametrize("screened", [True, False])
def test_a_row_that_is_no_number_stays_none_and_touches_no_other(
    screened: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "screens", lambda: screened)
    sae = start()
    x = states(1)
    values, ids = module.largest(x, sae.encoder.detach(), sae.encoder_bias.detach(), SETTINGS.k)
    x[3] = torch.nan
    found, whose = module.largest(x, sae.encoder.detach(), sae.encoder_bias.detach(), SETTINGS.k)
    others = torch.arange(len(x)) != 3
    assert bool(found[3].isnan().all()) and torch.equal(found[others], values[others])
    assert torch.equal(whose[others], ids[others])


@pytest.mark.parametrize("features", [50, FEATURES], ids=["few", "many"])
@pytest.mark.parametrize("lost", [slice(0, 1), slice(0, 40), slice(-3, None)], ids=["first", "group", "last"])
def test_features_that_are_no_numbers_are_passed_over(
    features: int, lost: slice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "screens", lambda: False)
    encoder = start().encoder.detach()[:features].clone()
    encoder[lost] = torch.nan
    scores = (states(1) @ encoder.T).nan_to_num(-torch.inf)
    expected = scores.topk(SETTINGS.k, dim=1)
    values, ids = module.largest(states(1), encoder, torch.zeros(features), SETTINGS.k)
    torch.testing.assert_close(values, expected.values)
    assert torch.equal(ids, expected.indices)


def test_features_are_turned_and_brought_to_unit_norm() -> None:
    sae = start()
    sae.decode(sae.encode(states(1))).square().sum().backward()
    before, rows = sae.dictionary.grad.clone(), sae.dictionary.detach().clone()
    sae.before_step()
    expected = before - (before * rows).sum(1, keepdim=True) * rows
    torch.testing.assert_close(sae.dictionary.grad, expected, atol=1e-4, rtol=1e-5)
    sae.dictionary.detach().add_(0.01)
    sae.after_step()
    torch.testing.assert_close(sae.dictionary.detach(), normalize(rows + 0.01))


def test_what_inference_worked_in_is_no_obstacle_to_learning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_kept", local())
    sae = start()
    with torch.inference_mode():
        inferred = sae.encode(states(1))
    learning = sae.encode(states(1))
    assert torch.equal(inferred.values, learning.values)
    learning.values.sum().backward()


@pytest.mark.parametrize("clip", [1.0, 0.01], ids=["not clipped", "clipped"])
def test_losses_of_50_steps_are_those_of_the_plain_loop(clip: float) -> None:
    settings = SETTINGS.model_copy(update={"gradient_clip": clip})
    state, plain = start_training(torch.zeros(WIDTH), settings), start()
    learned = [plain.encoder, plain.encoder_bias, plain.dictionary]
    optimizer = torch.optim.Adam(learned, lr=settings.learning_rate)
    losses = []
    for step in range(50):
        x = states(step)
        optimizer.zero_grad()
        activations = torch.relu(x @ plain.encoder.T + plain.encoder_bias)
        kept = activations.topk(settings.k, dim=1)
        z = torch.zeros_like(activations).scatter(1, kept.indices, kept.values)
        loss = (x - z @ plain.dictionary).square().mean() + settings.penalty * z.mean()
        loss.backward()
        plain.before_step()
        torch.nn.utils.clip_grad_norm_(learned, clip)
        optimizer.step()
        plain.after_step()
        measured = train_step(state, x, torch.zeros(WIDTH), settings)
        losses.append((measured["loss"].item(), loss.item()))
    ours, theirs = zip(*losses, strict=True)
    assert ours[-1] < 0.8 * ours[0]
    assert ours == pytest.approx(theirs, rel=1e-4)


def test_products_in_half_precision_choose_features_and_nothing_else() -> None:
    sae = start()
    with torch.autocast("cpu", torch.bfloat16):
        codes, error = sae.squared_error(states(1))
    assert codes.values.dtype == error.dtype == torch.float32
    owners = torch.arange(BATCH).repeat_interleave(SETTINGS.k)
    exact = (states(1)[owners] * sae.encoder[codes.ids]).sum(1).relu()
    torch.testing.assert_close(codes.values, exact)
    whole = sae.encode(states(1))
    chosen, exactly = (one.ids.view(BATCH, SETTINGS.k) for one in (codes, whole))
    assert (chosen[:, :, None] == exactly[:, None]).any(2).double().mean() > 0.95
    error.backward()
    assert sae.encoder.grad is not None and sae.encoder.grad.dtype == torch.float32


@pytest.mark.gpu
def test_a_device_trains_as_the_cpu_does() -> None:
    fvu = []
    for device in ("cpu", "cuda"):
        state, mean = start_training(torch.zeros(WIDTH), SETTINGS, device), torch.zeros(WIDTH, device=device)
        for step in range(50):
            with torch.cuda.device(0):
                torch.cuda.set_sync_debug_mode("error" if device == "cuda" else "default")
                x = states(step).pin_memory().to(device, non_blocking=True)
                measured = train_step(state, x, mean, SETTINGS)
                torch.cuda.set_sync_debug_mode("default")
        fvu.append(measured["fvu"].item())
    assert fvu[1] == pytest.approx(fvu[0], rel=0.02)
