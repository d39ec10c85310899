"""The number of threads of all arithmetic, set for a while: results depend on it, so it is configured, not found."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def limited_threads(count: int) -> Iterator[None]:
    """Give torch, BLAS and OpenMP ``count`` threads inside the context.

    The number belongs to the whole process: two contexts at once would undo each other's.
    """
    before = torch.get_num_threads()
    with threadpool_limits(limits=count):
        torch.set_num_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(before)
