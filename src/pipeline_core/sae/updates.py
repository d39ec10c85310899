"""Adam's step of rows whose gradients are sums of few vectors, on a CPU: the gradients are hardly ever written.

Each row's is made in a cache and used there: for its norm, where that is not known to be small, and for its step. The
two gradients of a wide dictionary, written, would be hundreds of megabytes a step, which memory gives and takes four
times. Only where the norm is made, and few rows have a gradient of many vectors, are sums kept from it for the step.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline_core.compiled import compiled, in_any_order
from pipeline_core.sae.shares import by_shares
from pipeline_core.sae.sums import add_multiples, product

Numbers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

_SURELY = 1 - 1e-4
"""Share of the largest norm within which an estimate from above says enough, rounding and all."""

_MANY = 4
"""Vectors a sum from which on to write it and read it back takes less than to read them again."""


@dataclass(frozen=True)
class RowGradient:
    """The gradient of a loss in rows that learn; that of row f is the sum of values[i] * vectors[owners[i]].

    Attributes:
        rows: [S, D], float32, C-contiguous.
        starts: [S + 1], int64; i goes from ``starts[f]`` up to ``starts[f + 1]``.
        owners: [m], int64, vectors' numbers.
        values: [m], float32.
        vectors: [n, D], float32, C-contiguous.
        unit: rows are at unit norm and are brought back to it after a step; those that become zeros stay.
        turns: of the gradient of rows at unit norm only what turns them counts.
    """

    rows: Tensor
    starts: Tensor
    owners: Tensor
    values: Tensor
    vectors: Tensor
    unit: bool = False
    turns: bool = False

    def at_most(self) -> float:
        """Return what its norm is at most, from the vectors' lengths alone: a row's is at most those of its parts."""
        lengths = self.vectors.norm(dim=1).numpy()
        loop = partial(_reach, self.owners.numpy(), self.values.numpy(), lengths)
        return math.sqrt(sum(by_shares(loop, self.starts[:-1], self.starts[1:])))

    def measured(self) -> tuple[float, "RowGradient"]:
        """Return its norm, of what counts, and the gradient for the step: as sums of one, where those are few."""
        starts = torch.zeros_like(self.starts)
        starts[1:] = (self.starts.diff() > 0).cumsum(0)
        n_sums = int(starts[-1])
        sums = self.vectors.new_empty(n_sums if _MANY * n_sums <= len(self.owners) else 0, self.vectors.shape[1])
        squares = by_shares(partial(_squares, *self._parts(), sums.numpy()), *self._each(), starts[:-1])
        norm = math.sqrt(sum(squares))
        if not len(sums):
            return norm, self
        return norm, RowGradient(self.rows, starts, torch.arange(n_sums), torch.ones(n_sums), sums, self.unit)

    def step(self, optimizer: torch.optim.Optimizer, scale: float) -> None:
        """Take the step of an optimiser of the class Adam, whose state and settings it uses, in place of its own.

        Args:
            optimizer: learning rate, betas and eps are used; ``rows`` is one of its parameters.
            scale: what the gradient is multiplied by.
        """
        group, state = optimizer.param_groups[0], optimizer.state[self.rows]
        if not state:
            state["step"] = torch.tensor(0.0)
            state["exp_avg"], state["exp_avg_sq"] = (torch.zeros_like(self.rows.detach()) for _ in range(2))
        state["step"] += 1
        steps, (beta, of_squares) = state["step"].item(), group["betas"]
        # Adam's means start at zero; what they lack of weight after so many steps is made up for.
        rate, root = group["lr"] / (1 - beta**steps), math.sqrt(1 - of_squares**steps)
        exact = (scale, rate, 1 - beta, of_squares, 1 - of_squares, 1 / root, group["eps"])
        numbers = _Numbers(*(np.float32(number) for number in exact))
        loop = partial(_step, *self._parts(), self.unit, numbers)
        by_shares(loop, *self._each(), state["exp_avg"], state["exp_avg_sq"])

    def _parts(self) -> tuple[Numbers, Floats, Floats, bool]:
        return self.owners.numpy(), self.values.numpy(), self.vectors.numpy(), self.turns

    def _each(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.starts[:-1], self.starts[1:], self.rows.detach()


class _Numbers(NamedTuple):
    """What a step multiplies by."""

    scale: np.float32
    rate: np.float32
    new: np.float32
    kept_of_squares: np.float32
    new_of_squares: np.float32
    inverse_root: np.float32
    eps: np.float32


def clipped(
    of_rows: Sequence[RowGradient], of_others: Sequence[Tensor], largest: float
) -> tuple[float, Sequence[RowGradient]]:
    """Return what gradients are multiplied by so that the norm of all is at most ``largest``, as torch clips it.

    What their parts' lengths tell is tried first: it costs next to nothing, and where it says that nothing is clipped,
    no norm is made.

    Returns:
        The factor, and the gradients in rows, not yet multiplied, as the step takes the least time with them.
    """
    others = math.hypot(*(float(gradient.norm()) for gradient in of_others))
    if math.hypot(others, *(gradient.at_most() for gradient in of_rows)) + 1e-6 < _SURELY * largest:
        return 1.0, of_rows
    norms, measured = zip(*(gradient.measured() for gradient in of_rows), strict=True)
    norm = math.hypot(others, *norms)
    # Not min(): a norm that is no number must not pass for a small one.
    return 1.0 if norm + 1e-6 <= largest else largest / (norm + 1e-6), measured


@compiled
def _reach(owners: Numbers, values: Floats, lengths: Floats, starts: Numbers, ends: Numbers) -> float:
    total = 0.0
    for row in range(len(starts)):
        length = 0.0
        for i in range(starts[row], ends[row]):
            length += abs(values[i]) * lengths[owners[i]]
        total += length * length
    return total


@in_any_order
def _squares(
    owners: Numbers,
    values: Floats,
    vectors: Floats,
    turns: bool,
    sums: Floats,
    starts: Numbers,
    ends: Numbers,
    rows: Floats,
    places: Numbers,
) -> float:
    """Add up the squares of gradients, which are left in ``sums`` at their places where there are any."""
    scratch, total = np.empty(rows.shape[1], np.float32), 0.0
    for row in range(len(rows)):
        if starts[row] < ends[row]:
            own = sums[places[row]] if len(sums) else scratch
            own[:] = 0
            add_multiples(own, values, owners, vectors, starts[row], ends[row])
            if turns:
                _turn(own, rows[row])
            total += float(product(own, own))
    return total


@in_any_order
def _step(
    owners: Numbers,
    values: Floats,
    vectors: Floats,
    turns: bool,
    unit: bool,
    numbers: _Numbers,
    starts: Numbers,
    ends: Numbers,
    rows: Floats,
    means: Floats,
    squares: Floats,
) -> None:
    own = np.empty(rows.shape[1], np.float32)
    for f in range(len(rows)):
        row, mean, square = rows[f], means[f], squares[f]
        own[:] = 0
        add_multiples(own, values, owners, vectors, starts[f], ends[f])
        if turns:
            _turn(own, row)
        # One loop each: all in one the compiler does not make of several numbers at a time.
        for j in range(len(own)):
            mean[j] += numbers.new * (own[j] * numbers.scale - mean[j])
        for j in range(len(own)):
            scaled = own[j] * numbers.scale
            square[j] = numbers.kept_of_squares * square[j] + numbers.new_of_squares * scaled * scaled
        for j in range(len(own)):
            row[j] -= numbers.rate * mean[j] / (np.sqrt(square[j]) * numbers.inverse_root + numbers.eps)
        if unit:
            length = np.sqrt(product(row, row))
            inverse = np.float32(1) / length if length > 0 else np.float32(1)
            for j in range(len(own)):
                row[j] *= inverse


@in_any_order
def _turn(own: Floats, row: Floats) -> None:
    """Leave of a row's gradient what is orthogonal to it."""
    along = product(own, row)
    for j in range(len(own)):
        own[j] -= along * row[j]
