import numpy as np
import pytest
from numba.core.caching import CacheImpl

from pipeline_core.compiled import compiled


def total(numbers):
    found = 0.0
    for number in numbers:
        found += number
    return found


def test_a_loop_is_compiled_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(CacheImpl, "_locator_classes", [])
    assert compiled(total)(np.arange(5.0)) == 10.0
