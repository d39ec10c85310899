"""Loops that no library makes fast: Python that numba compiles for this processor, with no other compiler."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def compiled(loop: Callable[P, R]) -> Callable[P, R]:
    """Compile a function of arrays and numbers when it is first called; it lets other threads run, and is one itself.

    What is compiled is kept beside the module, or in the user's cache; where neither can be written, each process
    compiles for itself.
    """
    return _compiled(loop)


def in_any_order(loop: Callable[P, R]) -> Callable[P, R]:
    """Compile a function whose sums may be made in another order than it says, several numbers at a time.

    The order is the compiler's, one for all calls of the function itself; another that calls it may get another order.
    A division by zero gives infinity or NaN: Python's error would be a branch a number.
    """
    return _compiled(loop, fastmath={"reassoc", "contract"}, error_model="numpy")


def inlined(part: Callable[P, R]) -> Callable[P, R]:
    """Have a part written into each compiled loop that calls it: a call with an array costs some thirty comparisons."""
    return cast(Callable[P, R], _inline(part))


def _compiled(loop: Callable[P, R], **how: Any) -> Callable[P, R]:
    try:
        made = njit(nogil=True, cache=True, **how)(loop)
    except RuntimeError:  # "no locator available": there is no folder for it
        made = njit(nogil=True, **how)(loop)
    return cast(Callable[P, R], made)


_inline: Any = njit(nogil=True, inline="always")
