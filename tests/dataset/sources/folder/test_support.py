"""Support is set aside from the queries of a user's train split, or refused in one line where there is none."""

from collections import Counter
from pathlib import Path

import pytest

from tests.dataset.sources.folder.conftest import Read
from tests.dataset.sources.folder.making import refusal, write_qrels
from tests.dataset.sources.folder.test_judged import pictures, texts, write


@pytest.mark.parametrize(("unanswered", "most", "moved"), [("left_out", None, 3), ("asked", 2, 2)])
def test_support_is_set_aside_from_queries_of_train(
    root: Path, read: Read, tmp_path: Path, unanswered: str, most: int | None, moved: int
) -> None:
    names = [f"q{n}" for n in range(8)]
    write(root, texts(*names), pictures(root, *"abcdefg"), test=["q0 a 1"])
    words = "dataset.support is 2, and the data set"
    assert refusal(root, tmp_path, support=2, unanswered=unanswered).startswith(words)
    write_qrels(root, "train", [f"q{n} {'abcdefg'[n - 1]} 1" for n in range(1, 8)])
    built = read(unanswered=unanswered, support=most)
    asked = dict(built["queries"].select("query_id", "split").iter_rows())
    assert Counter(asked.values()) == {"test": 1, "support": moved}
    splits = dict(built["samples"].select("sample_id", "split").iter_rows())
    answered = dict(built["qrels"].select("query_id", "sample_id").iter_rows())
    assert {query_id: splits[document] for query_id, document in answered.items()} == asked
