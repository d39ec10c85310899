"""Embeddings are read by row, whatever their order in the artifact."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.compute as pc
import pytest

from pipeline_core.activations import vectors as module
from pipeline_core.activations.spilled import Room
from pipeline_core.activations.vectors import Selection, VectorBlocks, load_embeddings
from pipeline_core.errors import StoreError
from pipeline_core.schema.parquet import write_table

KEYS = [("b", "text"), ("a", "text"), ("c", "image"), ("a", "image"), ("b", "image")]
"""Samples and prompts, as they lie in the artifact; the vector of each says where."""


def write(folder: Path, keys: list[tuple[str, str]]) -> VectorBlocks:
    rows = [
        {"rep_id": rep_id, "sample_id": sample, "prompt_id": prompt, "n_tokens": 1, "vector": [float(n), offset]}
        for rep_id, offset in (("one", 1.0), ("other", 2.0))
        for n, (sample, prompt) in enumerate(keys)
    ]
    # Both representations in each of two files.
    for shard in (0, 1):
        write_table(folder, "embeddings", pl.DataFrame(rows[shard::2]), shard=shard)
    return load_embeddings(folder, "other")


@pytest.fixture
def vectors(tmp_path: Path) -> VectorBlocks:
    return write(tmp_path, KEYS)


def test_rows_are_numbered_in_order_of_their_labels(vectors: VectorBlocks) -> None:
    assert (len(vectors), vectors.width) == (5, 2)
    assert vectors.labels.rows() == [(row, *key) for row, key in enumerate(sorted(KEYS))]
    whole = vectors.take(np.arange(5))
    assert whole.dtype == np.float32
    assert whole[:, 0].tolist() == [KEYS.index(key) for key in sorted(KEYS)]
    assert set(whole[:, 1]) == {2.0}


def test_a_shard_is_read_a_group_of_rows_at_a_time(tmp_path: Path) -> None:
    """One of a wide model takes more than there may be memory for."""
    whole = write(tmp_path, [(f"{n:05d}", "text") for n in range(5_000)])
    file, own = tmp_path / "embeddings" / "00000.parquet", pc.field("rep_id") == "other"
    read = [len(batch) for batch in module._vector_batches(file, own)]
    assert max(read) <= 1_024 < sum(read) == 2_500
    assert whole.take(np.arange(5_000))[:, 0].tolist() == list(range(5_000))


@pytest.mark.parametrize("size", [1, 2, 5, 9])
def test_blocks_are_bounded_and_make_up_the_whole(vectors: VectorBlocks, size: int) -> None:
    blocks = list(vectors.blocks(size))
    assert max(map(len, blocks)) <= size
    np.testing.assert_array_equal(np.concatenate(blocks), vectors.take(np.arange(5)))


def test_what_finds_no_room_is_read_from_the_disk_and_leaves_nothing(vectors: VectorBlocks, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    held, spilled = (load_embeddings(tmp_path, "other", Room(memory, folder)) for memory in (1 << 30, 16))
    assert isinstance(held.take(np.array([0])), np.ndarray)
    for one in (held, spilled):
        assert one.labels.equals(vectors.labels)
        assert one.width == vectors.width
        np.testing.assert_array_equal(one.take(np.array([4, 0, 0])), vectors.take(np.array([4, 0, 0])))
        np.testing.assert_array_equal(np.concatenate([*one.blocks(2)]), vectors.take(np.arange(5)))
    assert not list(folder.iterdir())


def test_a_selection_reads_what_is_asked_for(vectors: VectorBlocks) -> None:
    rows = np.array([3, 1, 4])
    some, expected = Selection(vectors, rows), vectors.take(rows)
    assert some.shape == expected.shape
    np.testing.assert_array_equal(some[1:], expected[1:])
    np.testing.assert_array_equal(some[np.array([2, 0])], expected[[2, 0]])
    np.testing.assert_array_equal(np.asarray(some), expected)


@pytest.mark.parametrize("at_a_time", [1, 2, 1000])
def test_samples_are_found_under_one_prompt_or_each_under_its_own(
    vectors: VectorBlocks, at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ASKED", at_a_time)
    assert vectors.rows_of(["c", "a", "a"], "image").tolist() == [4, 0, 0]
    assert vectors.rows_of(["b", "a", "b"], ["text", "image", "image"]).tolist() == [3, 0, 2]
    assert vectors.rows_of([], "image").tolist() == []


@pytest.mark.parametrize(
    ("asked", "missing"),
    [(["a", "c"], "c"), (["a", "aa", "b"], "aa"), (["", "a"], ""), (["z"], "z"), (["a", "ä", "b"], "ä")],
)
def test_a_sample_without_an_embedding_is_named(vectors: VectorBlocks, asked: list[str], missing: str) -> None:
    with pytest.raises(StoreError, match=rf"no embedding of \(sample, prompt\) \('{missing}', 'text'\)"):
        vectors.rows_of(asked, "text")


def test_a_prompt_under_which_nothing_is_embedded_is_named(vectors: VectorBlocks) -> None:
    with pytest.raises(StoreError, match=r"\('a', 'audio'\)"):
        vectors.rows_of(["a"], "audio")


def test_samples_of_any_script_are_found(tmp_path: Path) -> None:
    names = sorted(["é", "e", "z", "Z", "中", "😀", "a b", "a", "ﬀ", "~"], key=lambda name: name.encode())
    vectors = write(tmp_path, [(name, "image") for name in reversed(names)])
    assert vectors.rows_of(names, "image").tolist() == list(range(len(names)))


def test_a_dual_encoder_answers_to_every_prompt(tmp_path: Path) -> None:
    vectors = write(tmp_path, [("b", "none"), ("a", "none")])
    assert vectors.plain
    assert vectors.rows_of(["a", "b"], ["text", "image"]).tolist() == [0, 1]


def test_an_unknown_representation_is_told(tmp_path: Path) -> None:
    write(tmp_path, KEYS)
    write_table(
        tmp_path,
        "representations",
        pl.DataFrame(
            {
                "rep_id": ["one", "other"],
                "model": "m",
                "layer": 1,
                "norm_position": "raw",
                "pooling": "mean",
                "mask": "all",
                "attention_kind": "causal",
                "attention": "sdpa",
                "at_analysis_layer": True,
            }
        ),
    )
    with pytest.raises(StoreError, match="there is no representation 'third'; known: one, other"):
        load_embeddings(tmp_path, "third")
