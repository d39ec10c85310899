"""Files of safetensors from outside: their header is looked at before a library makes room for what it tells."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_LENGTH = 8  # bytes that tell how long the header behind them is
_LARGEST = 16_000_000  # bytes of a header; a hundred tell a tensor


def check_header(file: Path) -> int:
    """Return the bytes of a file's header.

    Raises:
        OSError: the file is not there, or cannot be read.
        ValueError: the header is larger than the file, or than one can be.
    """
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(_LENGTH), "little")
    if length + _LENGTH > file.stat().st_size:
        raise ValueError(f"its header would have {length} bytes, more than the file holds")
    if length > _LARGEST:
        raise ValueError(f"its header would have {length / 1e6:.0f} MB, more than tensors are told in")
    return length


@contextmanager
def open_tensors(file: Path) -> Iterator[Any]:
    """Open a file of tensors to look at what its header tells of them; no tensor is read.

    Yields:
        safetensors' file, of numpy arrays.

    Raises:
        OSError: as ``check_header``.
        ValueError: as ``check_header``; or it is no such file, or is truncated.
    """
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415 - planning reads few files, if any

    check_header(file)
    try:
        with safe_open(file, framework="np") as opened:
            yield opened
    except SafetensorError as error:
        raise ValueError(str(error)) from error
