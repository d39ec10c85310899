"""Files of safetensors from outside: their header is looked at before a library makes room for what it tells."""

import json
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


def read_header(file: Path) -> dict[str, Any]:
    """Return what the header of a file tells: of each tensor its dtype, shape and place.

    Raises:
        OSError: as ``check_header``.
        ValueError: as ``check_header``; or it is no header.
    """
    length = check_header(file)
    with file.open("rb") as opened:
        opened.seek(_LENGTH)
        try:
            header = json.loads(opened.read(length))
        except RecursionError:
            raise ValueError("its header is nested too deep") from None
    if not isinstance(header, dict):
        raise ValueError("its header is none")
    return header
