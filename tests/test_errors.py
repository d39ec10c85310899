"""Errors of users reach whoever asked, also from another process."""

import pickle

import pytest

from pipeline_core.errors import DataError, LensError, SampleError
from pipeline_core.store.space import NoRoomError


@pytest.mark.parametrize(
    "error", [DataError("no rows", "give some"), SampleError("a", "b", "is too long", 7), NoRoomError("full", "")]
)
def test_an_error_of_another_process_says_the_same(error: LensError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))
