"""Rows worked on in parts that a processor's cache holds, on every thread: numpy uses one, and waits for memory."""

from collections.abc import Callable

PART = 1 << 17
"""Numbers of a part."""

_BLOCK_NUMBERS, _FEWEST = 8192 * 768, 1024
"""Numbers of a block, and rows below which products take longer."""


def by_parts(shape: tuple[int, ...], work: Callable[[slice], object]) -> None:
    """Call ``work`` with slices that make up all rows of an array [n, width]; several threads may call it."""
    from pipeline_core.threads import workers  # noqa: PLC0415 - maps are listed without torch

    n, width = shape
    step = max(1, PART // width)
    parts = [slice(start, min(start + step, n)) for start in range(0, n, step)]
    if len(parts) == 1:
        work(parts[0])
    else:
        with workers() as threads:
            threads.map(work, parts)


def rows_at_once(width: int, most: int) -> int:
    """Return how many rows of a width make up a block: ``most``, and of wide ones fewer, a power of two.

    Several blocks are held at a time, as they were read and as each step left them.
    """
    return min(most, max(_FEWEST, 1 << (_BLOCK_NUMBERS // width).bit_length() - 1))
