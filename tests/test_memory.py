from pathlib import Path

import psutil
import pytest

from pipeline_core.memory import available_memory, total_memory
from pipeline_core.placement import Placement


@pytest.mark.parametrize(
    ("limit", "use"),
    [("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")],
)
def test_a_containers_limit_counts(tmp_path: Path, limit: str, use: str) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / limit).write_text("3000\n")
    (tmp_path / use).write_text("1000\n")
    assert (total_memory(tmp_path), available_memory(tmp_path)) == (3000, 2000)
    (tmp_path / use).write_text("4000\n")
    assert available_memory(tmp_path) == 0
    (tmp_path / limit).write_text("max\n")
    assert available_memory(tmp_path) > 2**20
    assert available_memory(tmp_path / "none") > 2**20
    assert total_memory(tmp_path) == total_memory(tmp_path / "none") == psutil.virtual_memory().total


def test_a_step_may_take_half_of_it_or_what_is_set() -> None:
    assert Placement().memory_bytes == total_memory() // 2
    assert Placement(memory=1.5).memory_bytes == Placement(memory=1.5, workers=3).memory_bytes == 3 << 29


def test_workers_of_a_machine_share_what_is_not_set() -> None:
    assert Placement(workers=4).memory_bytes == total_memory() // 8
    elsewhere = Placement(runner="ray", ray_address="auto", workers=4)
    assert elsewhere.memory_bytes == total_memory() // 2
