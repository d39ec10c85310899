"""The peak of memory is that since it was asked for, not of the process's whole life."""

import mmap

from pipeline_core.store.peak import forget_peak, peak_memory

MEBIBYTE = 2**20


def touched(size: int) -> mmap.mmap:
    """Return memory from the system, every page of it written; an allocator may hand out what the process holds."""
    memory = mmap.mmap(-1, size)
    memory[:: mmap.PAGESIZE] = b"x" * (size // mmap.PAGESIZE)
    return memory


def test_what_was_held_before_does_not_count() -> None:
    with touched(300 * MEBIBYTE):
        held = peak_memory()
    forget_peak()
    assert peak_memory() < held - 200 * MEBIBYTE
    before = peak_memory()
    with touched(100 * MEBIBYTE):
        pass
    assert peak_memory() > before + 90 * MEBIBYTE
