"""Compiled loops over rows, shared among workers."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from pipeline_core.threads import workers


def by_shares(loop: Callable[..., Any], *wholes: Tensor) -> list[Any]:
    """Call a loop with each share of the rows of tensors on the CPU, as arrays; return what it returns of each."""
    with workers() as threads:
        return threads.map(loop, *([part.numpy() for part in one.tensor_split(threads.count)] for one in wholes))
