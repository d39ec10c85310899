"""Batches opened ahead of the model: one and no further, in their order; what cannot be opened is told in its place."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline_core.activations.embed import opened_ahead
from pipeline_core.activations.plan import DatasetTables, Request, needed_requests
from pipeline_core.dataset.images import ImageReader
from pipeline_core.errors import DataError


@pytest.fixture(scope="module")
def pictured(dataset_folder: Path) -> list[Request]:
    return [item for item in needed_requests(DatasetTables.read(dataset_folder), prompts=True) if item.image_ref]


def test_one_batch_is_opened_ahead_and_no_more(dataset_folder: Path, pictured: list[Request]) -> None:
    drawn: list[int] = []
    batches = (drawn.append(start) or pictured[start : start + 2] for start in range(0, 8, 2))
    with ImageReader(dataset_folder) as reader, closing(opened_ahead(reader, batches)) as opened:
        seen = [(len(drawn), [sample.sample_id for sample in samples]) for samples, _ in opened]
    assert [ahead for ahead, _ in seen] == [2, 3, 4, 4]
    assert [sample for _, batch in seen for sample in batch] == [item.sample_id for item in pictured[:8]]


def test_a_picture_that_is_gone_ends_its_own_batch(dataset_folder: Path, pictured: list[Request]) -> None:
    gone = replace(pictured[2], image_ref="file:gone.png")
    with ImageReader(dataset_folder) as reader, closing(opened_ahead(reader, [pictured[:2], [gone]])) as opened:
        assert len(next(opened)[0]) == 2
        with pytest.raises(DataError, match=f"sample {gone.sample_id}"):
            next(opened)
