"""The plan of an extraction as a pure function: complete, without repetition, whatever the order of the tables."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_core.activations.plan import DatasetTables, default_prompts, needed_items, plan_extraction
from pipeline_core.errors import DataError

sizes = given(shard_size=st.integers(1, 90), batch_size=st.integers(1, 20), contrastive=st.booleans())
quick = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def tables(dataset_folder: Path) -> DatasetTables:
    return DatasetTables.read(dataset_folder)


@quick
@sizes
def test_each_item_is_planned_once(tables: DatasetTables, shard_size: int, batch_size: int, contrastive: bool) -> None:
    shards = plan_extraction(tables, contrastive, shard_size, batch_size)
    planned = [item for shard in shards for item in shard.items]
    key = lambda item: (item.sample_id, item.prompt_id)  # noqa: E731
    assert sorted(planned, key=key) == needed_items(tables, contrastive)
    assert len(set(map(key, planned))) == len(planned)
    assert [shard.number for shard in shards] == list(range(len(shards)))
    assert all(len(shard.items) == shard_size for shard in shards[:-1])


@quick
@sizes
def test_batches_are_small_and_alike(
    tables: DatasetTables, shard_size: int, batch_size: int, contrastive: bool
) -> None:
    for shard in plan_extraction(tables, contrastive, shard_size, batch_size):
        lengths = []
        for batch in shard.batches:
            assert 1 <= len(batch) <= batch_size
            assert len({item.image_ref is None for item in batch}) == 1
            lengths += [
                (item.image_ref is not None, len(item.text or "") + len(item.instruction or "")) for item in batch
            ]
        assert lengths == sorted(lengths)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1000))
def test_the_order_of_rows_does_not_matter(tables: DatasetTables, seed: int) -> None:
    frames = (tables.samples, tables.tasks, tables.queries, tables.candidates, tables.prompts)
    shuffled = DatasetTables(*(frame.sample(fraction=1.0, shuffle=True, seed=seed) for frame in frames))
    assert plan_extraction(shuffled, False, 16, 4) == plan_extraction(tables, False, 16, 4)


def test_what_tasks_and_training_need_is_there_under_its_prompt(tables: DatasetTables) -> None:
    items = {(item.sample_id, item.prompt_id): item for item in needed_items(tables, contrastive=False)}
    assert ("image:00", "image") in items and ("name:00", "text") in items  # train: by modality
    assert ("edit:02", "image_question") in items and ("edit:02", "image_sentence") in items  # one sample, two prompts
    assert items["name:00", "text"].instruction == "Summarize the above text in one word:"
    assert ("edit:02", "image") not in items


def test_a_dual_encoder_sees_each_sample_once(tables: DatasetTables) -> None:
    items = needed_items(tables, contrastive=True)
    assert [item.sample_id for item in items] == sorted(tables.samples["sample_id"])
    assert {item.prompt_id for item in items} == {"none"}
    assert {item.instruction for item in items} == {None}


def test_uses_of_a_picture_come_together(tables: DatasetTables) -> None:
    shards = plan_extraction(tables, False, 16, 4)
    places: dict[str, set[int]] = {}
    for shard in shards:
        for item in shard.items:
            if item.image_key:
                places.setdefault(item.image_key, set()).add(shard.number)
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
    lonely = tables.samples.with_columns(modality=pl.lit("image_text"))
    tasks = tables.tasks.filter(pl.col("task_id") == "t2i")
    with pytest.raises(DataError, match="no task has samples of modality image_text"):
        needed_items(DatasetTables(lonely, tasks, tables.queries, tables.candidates, tables.prompts), False)
