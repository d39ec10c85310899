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


@pytest.mark.parametrize("name", ["a\nb", "a\r\x1b[31mb", "a\u2028b\x85", "a\ud800b", "a\tb\0"])
def test_an_error_is_one_line_that_can_be_written_whatever_an_input_is_called(name: str) -> None:
    told = str(DataError(f"there is no {name}", f"rename {name}"))
    assert len(told.splitlines()) == 1
    assert told.encode() and "\x1b" not in told
    assert told == f"there is no {(shown := name.encode('unicode_escape').decode())}; rename {shown}"
