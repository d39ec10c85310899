"""The peak of memory is that since it was asked for, not of the process's whole life."""

from pipeline_core.store.peak import forget_peak, peak_memory

MEBIBYTE = 2**20


def test_what_was_held_before_does_not_count() -> None:
    before = bytearray(b"x" * (300 * MEBIBYTE))
    held = peak_memory()
    del before
    forget_peak()
    assert peak_memory() < held - 200 * MEBIBYTE
    now = bytearray(b"x" * (100 * MEBIBYTE))
    assert peak_memory() > len(now)
