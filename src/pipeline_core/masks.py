"""Comparisons of 32 neighbouring numbers at once, for compiled loops: the compiler makes them of no loop.

A processor compares them in two to four instructions, whose answers are bits, and a loop that then looks at the bits
set reads no number that does not matter.
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from pipeline_core.compiled import inlined

LANES = 32
"""Numbers compared at once."""

Floats = npt.NDArray[np.floating]

_BITS = ir.IntType(LANES)


def _compared(sign: str) -> Callable[[Floats, int, Any], np.uint32]:
    def typed(_: Any, numbers: Any, start: Any, limit: Any) -> Any:
        def written(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            kind = ir.VectorType(context.get_value_type(numbers.dtype), LANES)
            place = _place(context, builder, kind, numbers, *given[:2])
            vector = builder.load(place, align=numbers.dtype.bitwidth // 8)
            alone = builder.insert_element(ir.Constant(kind, ir.Undefined), given[2], ir.Constant(_BITS, 0))
            firsts = ir.Constant(ir.VectorType(_BITS, LANES), [0] * LANES)
            limits = builder.shuffle_vector(alone, alone, firsts)
            return builder.bitcast(builder.fcmp_ordered(sign, vector, limits), _BITS)

        return types.uint32(numbers, types.intp, numbers.dtype), written

    return cast(Callable[[Floats, int, Any], np.uint32], intrinsic(typed))


_above, _reaching = _compared(">"), _compared(">=")


@cast(Callable[..., Callable[[Floats, Floats, Floats, int], Any]], intrinsic)
def largest_sum(_: Any, numbers: Any, others: Any, sums: Any, start: Any) -> Any:
    """Write the sums of the next 32 numbers and 32 others; return the largest, of none that is a number -inf.

    Args:
        numbers: float32 or float64 [n], one after another in memory.
        others: of the same kind, as many.
        sums: of the same kind, as many.
        start: whose place is the first, 0 to n - 32.
    """
    arrays = (numbers, others, sums)
    if not all(array.layout == "C" and array.dtype == numbers.dtype for array in arrays):
        raise TypingError(f"{numbers}, {others} and {sums} are not of one kind, one number after another in memory")

    def written(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kind, size = ir.VectorType(context.get_value_type(numbers.dtype), LANES), numbers.dtype.bitwidth // 8
        one, other, target = (
            _place(context, builder, kind, array, own, given[3]) for array, own in zip(arrays, given[:3], strict=True)
        )
        made = builder.fadd(builder.load(one, align=size), builder.load(other, align=size))
        builder.store(made, target, align=size)
        best, half = _larger(builder, made, ir.Constant(kind, [float("-inf")] * LANES)), LANES
        while half > 1:
            half //= 2
            best = _larger(builder, *(_part(builder, best, first, half) for first in (0, half)))
        return builder.extract_element(best, ir.Constant(ir.IntType(32), 0))

    return numbers.dtype(numbers, others, sums, types.intp), written


def _place(context: Any, builder: Any, kind: Any, array: Any, given: Any, start: Any) -> Any:
    """Return where so many numbers of an array start, as a pointer to them all."""
    data = context.make_array(array)(context, builder, given).data
    return builder.bitcast(builder.gep(data, [start]), kind.as_pointer())


def _larger(builder: Any, one: Any, other: Any) -> Any:
    # Of what is no number the other.
    return builder.select(builder.fcmp_ordered(">", one, other), one, other)


def _part(builder: Any, vector: Any, first: int, count: int) -> Any:
    places = ir.Constant(ir.VectorType(ir.IntType(32), count), list(range(first, first + count)))
    return builder.shuffle_vector(vector, vector, places)


@inlined
def above(numbers: Floats, start: int, limit: Any) -> np.uint32:
    """Return which of the next 32 numbers, or of as many as are left, lie above a limit; NaN does not.

    Args:
        numbers: float32 or float64 [n], one after another in memory.
        start: whose place is the mask's lowest bit, 0 to n - 1.
        limit: of the same kind.
    """
    if start + LANES <= len(numbers):
        return _above(numbers, start, limit)
    mask = np.uint32(0)
    for i in range(start, len(numbers)):
        mask |= np.uint32(numbers[i] > limit) << np.uint32(i - start)
    return mask


@inlined
def reaching(numbers: Floats, start: int, limit: Any) -> np.uint32:
    """Return which of the next numbers lie above a limit or are equal to it; the rest is as in ``above``."""
    if start + LANES <= len(numbers):
        return _reaching(numbers, start, limit)
    mask = np.uint32(0)
    for i in range(start, len(numbers)):
        mask |= np.uint32(numbers[i] >= limit) << np.uint32(i - start)
    return mask


@cast(Callable[..., Callable[[Any], int]], intrinsic)
def count(_: Any, bits: Any) -> Any:
    """Return how many bits of a mask are set."""
    return types.int64(types.uint32), lambda _, builder, __, given: builder.zext(
        builder.ctpop(given[0]), ir.IntType(64)
    )


@cast(Callable[..., Callable[[Any], int]], intrinsic)
def lowest(_: Any, bits: Any) -> Any:
    """Return which is the lowest bit set; there must be one."""
    sure = ir.Constant(ir.IntType(1), 1)
    return types.int64(types.uint32), lambda _, builder, __, given: builder.zext(
        builder.cttz(given[0], sure), ir.IntType(64)
    )


@inlined
def without_lowest(bits: np.uint32) -> np.uint32:
    """Return a mask less its lowest bit set."""
    return np.uint32(bits & np.uint32(bits - np.uint32(1)))
