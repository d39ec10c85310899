"""Batches opened ahead of the model: one and no further, in their order; what is gone is told in its place."""

from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event, current_thread

import pytest

from pipeline_core.activations.opening import open_samples, reading_thread
from pipeline_core.activations.plan import DatasetTables, Request, needed_requests
from pipeline_core.dataset.images import ImageReader
from pipeline_core.errors import DataError


@pytest.fixture(scope="module")
def pictured(dataset_folder: Path) -> list[Request]:
    return [item for item in needed_requests(DatasetTables.read(dataset_folder), prompts=True) if item.image_ref]


def test_one_batch_is_opened_ahead_and_no_more(dataset_folder: Path, pictured: list[Request]) -> None:
    drawn: list[int] = []
    batches = (drawn.append(start) or pictured[start : start + 2] for start in range(0, 8, 2))
    with ImageReader(dataset_folder) as reader, reading_thread() as thread:
        opened = thread.ahead(partial(open_samples, reader), batches, 1)
        seen = [(len(drawn), [sample.sample_id for sample in samples]) for samples, _ in opened]
    assert [ahead for ahead, _ in seen] == [2, 3, 4, 4]
    assert [sample for _, batch in seen for sample in batch] == [item.sample_id for item in pictured[:8]]


def test_a_picture_that_is_gone_ends_its_own_batch(dataset_folder: Path, pictured: list[Request]) -> None:
    gone = replace(pictured[2], image_ref="file:gone.png")
    with ImageReader(dataset_folder) as reader, reading_thread() as thread:
        opened = thread.ahead(partial(open_samples, reader), [pictured[:2], [gone]], 1)
        assert len(next(opened)[0]) == 2
        with pytest.raises(DataError, match=f"sample {gone.sample_id}"):
            next(opened)


def test_whatever_is_asked_of_the_thread_is_done_by_one() -> None:
    """A reader keeps files open, and hands out rows of the group that it read last."""
    with reading_thread() as thread:
        ahead = list(thread.ahead(lambda _: current_thread().name, range(5), 3))
        assert {*ahead, thread.do(lambda: current_thread().name)} == {ahead[0]}
    assert ahead[0] != current_thread().name


def test_what_has_not_begun_is_not_done_after_an_error() -> None:
    begun, goes_on = list[int](), Event()

    def work(item: int) -> int:
        begun.append(item)
        goes_on.wait(10)
        return item

    with pytest.raises(RuntimeError, match="the model failed"), reading_thread() as thread:
        ahead = thread.ahead(work, range(9), 4)
        goes_on.set()
        with closing(ahead):
            next(ahead)
            goes_on.clear()
            raise RuntimeError("the model failed")
    assert len(begun) < 9
