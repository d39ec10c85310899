"""A full disk is told in one line, whichever library found it full; /dev/full is one."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from pipeline_core.errors import StoreError
from pipeline_core.store.artifacts import Store
from pipeline_core.store.fingerprint import StageKey
from pipeline_core.store.journal import journalled_run, read_runs
from pipeline_core.store.space import NoRoomError, is_full, room_told

FULL = Path("/dev/full")
KEY = StageKey("codes", 1)
NUMBERS = np.zeros(100_000)

# Only open files: given the path, a library may remove or replace what it could not write, which as root is the device.
WRITERS: dict[str, Callable[[BinaryIO], object]] = {
    "python": lambda file: file.write(b"x"),
    "numpy": NUMBERS.tofile,
    "pyarrow": lambda file: pq.write_table(pa.table({"x": NUMBERS}), file),
    "polars": lambda file: pl.DataFrame({"x": NUMBERS}).write_parquet(file),
    "torch": lambda file: torch.save(torch.zeros(100_000), file),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_library_is_understood(name: str, tmp_path: Path) -> None:
    room = room_told(tmp_path, "the codes", lambda: 3.2e18)
    with pytest.raises(NoRoomError) as caught, room, FULL.open("wb", buffering=0) as file:
        WRITERS[name](file)
    told = str(caught.value)
    assert told.startswith(f"the disk of {tmp_path} has no room for the codes, which takes about 3200000000.0 GB; ")
    assert "are free; make room, then run again" in told
    assert "\n" not in told
    assert FULL.is_char_device()


@pytest.mark.parametrize(
    "text",
    [
        'IO Error: Could not write all bytes to file "x": No space left on device',
        "Error while serializing: I/O error: No space left on device (os error 28)",
        "lance error: LanceError(IO): Generic LocalFileSystem error: os error 28, rust/x.rs:10",
    ],
)
def test_libraries_that_only_tell_are_understood(text: str) -> None:
    assert is_full(RuntimeError(text))
    assert not is_full(RuntimeError(text.replace("No space left on device", "gone").replace("os error 28", "")))


def test_what_takes_more_than_was_thought_takes_more_than_there_was(tmp_path: Path) -> None:
    with (
        pytest.raises(NoRoomError, match=r"for the codes, which takes more than [\d.]+ GB; [\d.]+ GB are free; "),
        room_told(tmp_path, "the codes", lambda: 1.0),
    ):
        FULL.write_text("x")


def test_it_is_told_once_and_other_errors_are_themselves(tmp_path: Path) -> None:
    with (
        pytest.raises(NoRoomError, match="for the inner"),
        room_told(tmp_path, "outer"),
        room_told(tmp_path, "the inner"),
    ):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")
    with pytest.raises(OSError, match="Input/output"), room_told(tmp_path, "outer"):
        raise OSError(errno.EIO, "Input/output error")


def test_what_was_written_before_is_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fill(folder: Path) -> None:
        (folder / "shard-0").write_text("done")
        FULL.write_text("x")

    with pytest.raises(NoRoomError), room_told(store.root, "codes"):
        store.materialize(KEY, fill)
    assert store.status(KEY) == "missing"
    assert (store.unfinished(KEY) / "shard-0").read_text() == "done"


def test_a_run_whose_end_finds_no_room_tells_why_it_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def end() -> None:
        with journalled_run(tmp_path, "analyze", {}, []):
            (record,) = (tmp_path / "runs").glob("*.json")
            record.with_name(f".{record.name}.tmp").symlink_to(FULL)
            raise StoreError("the disk is full", "make room")

    with pytest.raises(StoreError, match="the disk is full; make room"):
        end()
    assert [run.state for run in read_runs(tmp_path)] == ["failed"]
    assert list((tmp_path / "runs").glob("*.lock")) == []
