import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_core.sae.architectures.topk import MEMBER, TopKSae, TopKSettings
from pipeline_core.sae.kernels import combine, top_codes
from pipeline_core.sae.sparse import SparseCodes
from tests.sae.artifacts import start_topk


def random_sae(seed: int, n_features: int, width: int, k: int, centred: bool) -> TopKSae:
    generator = torch.Generator().manual_seed(seed)
    dictionary = torch.nn.functional.normalize(torch.randn(n_features, width, generator=generator))
    return TopKSae(
        torch.randn(n_features, width, generator=generator),
        torch.randn(n_features, generator=generator),
        dictionary,
        torch.randn(width, generator=generator) if centred else torch.zeros(width),
        k,
        centred,
    )


def dense_codes(sae: TopKSae, vectors: np.ndarray) -> np.ndarray:
    """The equation read directly: all activations, then everything but the k largest set to zero."""
    shift = sae.decoder_bias.double().numpy() if sae.centred else 0.0
    activations = (vectors - shift) @ sae.encoder.double().numpy().T + sae.encoder_bias.double().numpy()
    activations = np.maximum(activations, 0.0)
    for row in activations:
        row[np.argsort(-row)[sae.k :]] = 0.0
    return activations


def as_dense(codes: SparseCodes, n_features: int) -> np.ndarray:
    dense = torch.zeros(len(codes.offsets) - 1, n_features)
    rows = torch.repeat_interleave(torch.arange(len(dense)), codes.offsets.diff())
    return dense.index_put_((rows, codes.ids), codes.values, accumulate=True).double().numpy()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 12), st.booleans(), st.data())
def test_codes_and_reconstructions_equal_the_dense_equation(
    seed: int, n_features: int, width: int, centred: bool, data: st.DataObject
) -> None:
    sae = random_sae(seed, n_features, width, data.draw(st.integers(1, n_features)), centred)
    vectors = torch.randn(9, width, generator=torch.Generator().manual_seed(seed + 1))
    codes = sae.encode(vectors)
    expected = dense_codes(sae, vectors.double().numpy())
    np.testing.assert_allclose(as_dense(codes, n_features), expected, atol=1e-4)
    rebuilt = expected @ sae.dictionary.double().numpy() + sae.decoder_bias.double().numpy()
    np.testing.assert_allclose(sae.decode(codes).numpy(), rebuilt, atol=1e-4)
    assert codes.offsets.diff().tolist() == [sae.k] * 9
    assert float(codes.values.min()) >= 0


def test_gradients_equal_those_of_the_dense_loss() -> None:
    generator = torch.Generator().manual_seed(3)
    shapes = ((6, 5), (11, 5), (11,), (11, 5))
    sparse, dense = (
        [tensor.clone().requires_grad_() for tensor in tensors]
        for tensors in [[torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]] * 2
    )
    ours = top_codes(*sparse[:3], 4)
    (combine(ours, sparse[3]).square().sum() + 0.3 * ours.values.sum()).backward()

    vectors, encoder, bias, dictionary = dense
    activations = torch.relu(vectors @ encoder.T + bias)
    kept = activations.topk(4, dim=1)
    codes = torch.zeros_like(activations).scatter(1, kept.indices, kept.values)
    ((codes @ dictionary).square().sum() + 0.3 * codes.sum()).backward()
    for one, other in zip(sparse, dense, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


@pytest.mark.parametrize("centred", [False, True])
def test_centring_decides_what_is_learnt_of_the_mean(centred: bool) -> None:
    mean = torch.arange(6.0)
    sae = start_topk(mean, 10, 3, centred)
    torch.testing.assert_close(sae.dictionary.detach().norm(dim=1), torch.ones(10))
    assert sae.centred is centred
    torch.testing.assert_close(sae.decoder_bias.detach(), mean if centred else torch.zeros(6))
    codes = sae.encode(mean[None])
    rebuilt = sae.decode(codes)
    rebuilt.square().sum().backward()
    assert (sae.decoder_bias.grad is not None) is centred
    if centred:
        assert float(codes.values.detach().abs().max()) == 0.0
        torch.testing.assert_close(rebuilt.detach(), mean[None])


def test_a_step_turns_features_but_keeps_their_length() -> None:
    sae = start_topk(torch.zeros(8), 20, 4, False)
    before = sae.dictionary.detach().clone()
    rebuilt = sae.decode(sae.encode(torch.randn(16, 8, generator=torch.Generator().manual_seed(1))))
    (rebuilt - 1).square().sum().backward()
    sae.before_step()
    along = (sae.dictionary.grad * sae.dictionary).sum(1)
    torch.testing.assert_close(along.detach(), torch.zeros(20), atol=1e-5, rtol=0)
    torch.optim.SGD([sae.dictionary], lr=0.1).step()
    sae.after_step()
    after = sae.dictionary.detach()
    torch.testing.assert_close(after.norm(dim=1), torch.ones(20))
    assert float((after - before).abs().max()) > 1e-3


def test_steps_of_the_released_recipe_are_those_of_the_released_code() -> None:
    """Its module in few words: rows are brought to unit norm before a pass, gradients are clipped as they come."""
    settings = TopKSettings(name="paper", features=20, k=4, initialisation="released")
    ours = MEMBER.start(torch.zeros(8), settings, torch.Generator().manual_seed(5))
    weight, bias, rows = (
        tensor.detach().clone().requires_grad_() for tensor in (ours.encoder, ours.encoder_bias, ours.dictionary)
    )
    optimizers = [torch.optim.Adam(learned, lr=8e-4) for learned in ((weight, bias, rows), ours.state().values())]
    for step in range(4):
        x = torch.randn(32, 8, generator=torch.Generator().manual_seed(step)) * 9
        for optimizer in optimizers:
            optimizer.zero_grad()
        rows.data = rows.data / (rows.data.norm(p=2, dim=1, keepdim=True) + 1e-8)
        codes = torch.relu(x @ weight.T + bias)
        kept = codes.topk(4, dim=-1)
        z = torch.zeros_like(codes).scatter(-1, kept.indices, kept.values)
        ((x - z @ rows).square().mean() + 0.01 * z.abs().mean()).backward()
        torch.nn.utils.clip_grad_norm_((weight, bias, rows), 1.0)
        found, error = ours.squared_error(x)
        (error / x.numel() + 0.01 * found.values.sum() / (32 * 20)).backward()
        ours.before_step()
        torch.nn.utils.clip_grad_norm_(ours.state().values(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        ours.after_step()
    torch.testing.assert_close(ours.encoder, weight)
    torch.testing.assert_close(ours.encoder_bias, bias)
    torch.testing.assert_close(ours.dictionary, rows / rows.norm(dim=1, keepdim=True))


def test_the_released_recipe_begins_as_a_linear_layer_of_torch_and_unit_features() -> None:
    settings = TopKSettings(name="paper", features=4000, initialisation="released")
    sae = MEMBER.start(torch.zeros(16), settings, torch.Generator().manual_seed(5))
    layer = torch.nn.Linear(16, 4000)
    for ours, theirs in ((sae.encoder, layer.weight), (sae.encoder_bias, layer.bias)):
        assert float(ours.detach().abs().max()) <= 0.25
        torch.testing.assert_close(ours.detach().std(), theirs.detach().std(), rtol=0.05, atol=0)
    torch.testing.assert_close(sae.dictionary.detach().norm(dim=1), torch.ones(4000))
    assert float((sae.encoder * sae.dictionary).sum(1).mean().detach().abs()) < 0.02


def test_what_is_stored_of_one_makes_it_again() -> None:
    sae = start_topk(torch.arange(6.0), 10, 3, True)
    again = MEMBER.load(sae.config(), {name: tensor.detach() for name, tensor in sae.tensors().items()})
    for name, tensor in sae.state().items():
        assert torch.equal(tensor, again.state()[name])
    assert (again.k, again.centred, MEMBER.limit(sae.config())) == (3, True, 3)


@pytest.mark.parametrize("k", [0, 11, "3", None])
def test_an_impossible_k_is_refused(k: object) -> None:
    sae = start_topk(torch.arange(6.0), 10, 3, True)
    with pytest.raises(ValueError, match="is not a number from 1 to the number of features, 10"):
        MEMBER.load({**sae.config(), "k": k}, sae.tensors())
