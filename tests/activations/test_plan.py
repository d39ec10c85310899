"""The plan of an extraction as a pure function: complete, without repetition, whatever the order of the tables."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_core.activations.plan import DatasetTables, default_prompts, needed_requests, plan_extraction
from pipeline_core.errors import DataError

sizes = given(shard_size=st.integers(1, 90), batch_size=st.integers(1, 20), prompts=st.booleans())
quick = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def tables(dataset_folder: Path) -> DatasetTables:
    return DatasetTables.read(dataset_folder)


@quick
@sizes
def test_each_request_is_planned_once(tables: DatasetTables, shard_size: int, batch_size: int, prompts: bool) -> None:
    shards = plan_extraction(tables, prompts, shard_size, batch_size)
    planned = [request for shard in shards for request in shard.requests]
    key = lambda request: (request.sample_id, request.prompt_id)  # noqa: E731
    assert sorted(planned, key=key) == needed_requests(tables, prompts)
    assert len(set(map(key, planned))) == len(planned)
    assert [shard.number for shard in shards] == list(range(len(shards)))
    assert all(len(shard.requests) == shard_size for shard in shards[:-1])


@quick
@sizes
def test_batches_are_small_and_alike(tables: DatasetTables, shard_size: int, batch_size: int, prompts: bool) -> None:
    for shard in plan_extraction(tables, prompts, shard_size, batch_size):
        lengths = []
        for batch in shard.batches:
            assert 1 <= len(batch) <= batch_size
            assert len({request.image_ref is None for request in batch}) == 1
            lengths += [
                (request.image_ref is not None, len(request.text or "") + len(request.instruction or ""))
                for request in batch
            ]
        assert lengths == sorted(lengths)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1000))
def test_the_order_of_rows_does_not_matter(tables: DatasetTables, seed: int) -> None:
    frames = (tables.samples, tables.tasks, tables.queries, tables.candidates, tables.prompts)
    shuffled = DatasetTables(*(frame.sample(fraction=1.0, shuffle=True, seed=seed) for frame in frames))
    assert plan_extraction(shuffled, True, 16, 4) == plan_extraction(tables, True, 16, 4)


def test_what_tasks_and_training_need_is_there_under_its_prompt(tables: DatasetTables) -> None:
    requests = {(request.sample_id, request.prompt_id): request for request in needed_requests(tables, prompts=True)}
    assert ("image:00", "image") in requests and ("name:00", "text") in requests  # train: by modality
    assert ("edit:02", "image_question") in requests and (
        "edit:02",
        "image_sentence",
    ) in requests  # one sample, two prompts
    assert requests["name:00", "text"].instruction == "Summarize the above text in one word:"
    assert ("edit:02", "image") not in requests


def test_a_model_without_prompts_sees_each_sample_once(tables: DatasetTables) -> None:
    requests = needed_requests(tables, prompts=False)
    assert [request.sample_id for request in requests] == sorted(tables.samples["sample_id"])
    assert {request.prompt_id for request in requests} == {"none"}
    assert {request.instruction for request in requests} == {None}


def test_uses_of_a_picture_come_together(tables: DatasetTables) -> None:
    shards = plan_extraction(tables, True, 16, 4)
    places: dict[str, set[int]] = {}
    for shard in shards:
        for request in shard.requests:
            if request.image_key:
                places.setdefault(request.image_key, set()).add(shard.number)
    assert sum(len(numbers) - 1 for numbers in places.values()) <= len(shards) - 1


def test_default_prompts_are_those_of_single_modality_tasks() -> None:
    tasks = pl.DataFrame(
        {
            "query_modality": ["text", "text", "image_text", "image_text"],
            "candidate_modality": ["image", "image_text", "image", "text"],
            "query_prompt_id": ["single", "composed", "question", "question"],
            "candidate_prompt_id": ["picture", "both", "other", "composed"],
        }
    )
    assert default_prompts(tasks) == {"text": "single", "image": "picture", "image_text": "question"}


def test_training_samples_without_an_instruction_are_told(tables: DatasetTables) -> None:
    trains = pl.col("split") == "train"
    lonely = tables.samples.with_columns(modality=pl.when(trains).then(pl.lit("image_text")).otherwise("modality"))
    tasks = tables.tasks.filter(pl.col("task_id") == "t2i")
    with pytest.raises(DataError, match="no task has samples of modality image_text"):
        needed_requests(DatasetTables(lonely, tasks, tables.queries, tables.candidates, tables.prompts), True)


def test_a_query_s_own_instruction_is_the_one_that_it_is_embedded_under(tables: DatasetTables) -> None:
    own = pl.DataFrame({"prompt_id": ["own"], "text": ["What comes next?"]})
    asked = tables.queries.with_columns(
        prompt_id=pl.when(pl.col("sample_id") == "edit:02").then(pl.lit("own")).otherwise("prompt_id")
    )
    prompts = pl.concat([tables.prompts, own.cast(tables.prompts.schema)])
    changed = DatasetTables(tables.samples, tables.tasks, asked, tables.candidates, prompts)
    items = {(item.sample_id, item.prompt_id): item for item in needed_requests(changed, prompts=True)}
    assert items["edit:02", "own"].instruction == "What comes next?"
    assert ("edit:02", "image_question") not in items
    assert ("edit:03", "image_question") in items


def test_a_data_set_without_a_train_split_can_be_embedded(tables: DatasetTables) -> None:
    held_out = tables.samples.filter(pl.col("split") != "train")
    only_asked = DatasetTables(held_out, tables.tasks, tables.queries, tables.candidates, tables.prompts)
    assert {item.split for item in needed_requests(only_asked, prompts=True)} == {"support", "validation", "test"}
