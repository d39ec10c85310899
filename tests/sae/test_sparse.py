import torch

from pipeline_core.sae.kernels import combine
from pipeline_core.sae.sparse import concatenate, sparse_codes

DENSE = torch.tensor([[0.0, 2.0, -1.0, 3.0], [0.0, 0.0, 0.0, -5.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]])


def test_rows_hold_as_many_codes_as_they_have() -> None:
    codes = sparse_codes(DENSE)
    assert codes.offsets.tolist() == [0, 2, 2, 6, 6]
    assert codes.ids.tolist() == [1, 3, 0, 1, 2, 3]
    assert codes.values.tolist() == [2.0, 3.0, 1.0, 1.0, 1.0, 1.0]


def test_ragged_products_and_their_gradients_equal_dense_ones() -> None:
    rows = torch.randn(4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    (sparse, ours), (dense, theirs) = ([t.clone().requires_grad_() for t in (DENSE.double(), rows)] for _ in range(2))
    product = combine(sparse_codes(sparse), ours)
    expected = torch.relu(dense) @ theirs
    torch.testing.assert_close(product, expected)
    for result in (product, expected):
        result.square().sum().backward()
    torch.testing.assert_close(sparse.grad, dense.grad)
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_no_code_at_all_gives_zeros() -> None:
    codes = sparse_codes(-torch.ones(3, 4))
    assert codes.offsets.tolist() == [0, 0, 0, 0]
    assert torch.equal(combine(codes, torch.ones(4, 2)), torch.zeros(3, 2))


def test_blocks_are_joined_as_if_they_had_been_one() -> None:
    blocks = [sparse_codes(DENSE[rows]) for rows in (slice(0, 1), slice(1, 4))]
    for ours, theirs in zip(concatenate(blocks), sparse_codes(DENSE), strict=True):
        assert torch.equal(ours, theirs)
