"""The library gives what a run made: equal to what the artifacts hold; the snippets of its page run."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline_core import fit_adaptation, open_store
from pipeline_core.codes.reading import load_codes
from pipeline_core.errors import ConfigError, DataError, QueryError, StoreError
from pipeline_core.library import Run

PAGE = Path(__file__).parents[1] / "docs" / "library.md"


@pytest.fixture(scope="module")
def run(inline_store: Path) -> Run:
    return open_store(inline_store).run()


def test_the_snippets_of_the_page_run(inline_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(inline_store.parent)
    names: dict[str, object] = {}
    snippets = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for snippet in snippets:
        exec(compile(snippet, str(PAGE), "exec"), names)
    assert len(snippets) == 8
    recall, leading = names["recall"], names["leading"]
    assert isinstance(recall, pl.DataFrame)
    assert isinstance(leading, pl.DataFrame)
    assert recall.height > 1
    assert leading["attribution_rank"].to_list() == sorted(leading["attribution_rank"].to_list())


def test_codes_of_stored_vectors_are_the_stored_codes(run: Run) -> None:
    embeddings = run.embeddings()
    stored = load_codes(run.artifact(f"codes/{run.saes[0]}"), len(run.sae().dictionary))
    rows = embeddings.rows_of(stored.sample_ids, stored.prompt_ids)
    assert (run.codes(embeddings.take(rows)) != stored.matrix.astype(np.float32)).nnz == 0


def test_a_fitted_adaptation_gives_the_scores_of_the_hits(run: Run) -> None:
    query_map, candidate_map = run.adaptation("t2i", "realign")
    hits = run.table(f"retrieval/{run.models[0]}", "retrieval_hits").filter(
        pl.col("system_id").str.ends_with("/realign"), task_id="t2i", rank=1
    )
    queries = run.table("dataset", "queries").filter(task_id="t2i", split="test").select("query_id", "sample_id")
    asked = hits.join(queries, on="query_id", suffix="_asked")
    embeddings = run.embeddings()
    left, right = (
        embeddings.take(embeddings.rows_of(asked[name], "none")) for name in ("sample_id_asked", "sample_id")
    )
    cosines = (query_map.apply(left) * candidate_map.apply(right)).sum(axis=1)
    np.testing.assert_allclose(cosines, asked["score"], atol=1e-5)
    assert asked.height > 5


def test_an_adaptation_of_given_vectors_whitens_each_side() -> None:
    random = np.random.default_rng(0)
    sides = [random.normal(size=(400, 6)).astype(np.float32) @ random.normal(size=(6, 6)) + 3 for _ in range(2)]
    query_map, candidate_map = fit_adaptation("zca", *sides)
    for side, fitted in zip(sides, (query_map, candidate_map), strict=True):
        found = fitted.apply(side.astype(np.float32))
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)
        np.testing.assert_allclose(np.cov(found.T), np.eye(6) / 6, atol=0.02)
        assert abs(found.mean(axis=0)).max() < 0.1
    mild = fit_adaptation("realign", *sides, {"beta": 0.9})[0].apply(sides[0].astype(np.float32))
    assert np.linalg.cond(np.cov(mild.T)) > 2


def test_what_is_not_there_is_named(run: Run, tmp_path: Path) -> None:
    vectors = np.eye(4, dtype=np.float32)
    with pytest.raises(StoreError, match=r"had no step 'activations/other'; it had dataset, activations/reference-con"):
        run.embeddings("other")
    with pytest.raises(StoreError, match=r"no system 'oas' was fitted for the task t2i; systems: .*realign"):
        run.adaptation("t2i", "oas")
    with pytest.raises(StoreError, match=r"nothing was fitted for a task 'x'; tasks: i2t, t2i"):
        run.adaptation("x", "realign")
    with pytest.raises(
        ConfigError, match=r"there is no checkpoint format 'pickle'; form may be dictionary_learning or"
    ):
        run.export_sae(tmp_path / "sae", "pickle")
    with pytest.raises(StoreError, match=r"there is no store"):
        open_store(tmp_path / "nowhere")
    with pytest.raises(QueryError, match=r"there is no adaptation 'pcb'; known: .*pca"):
        fit_adaptation("pcb", vectors, vectors)
    with pytest.raises(QueryError, match=r"removal is not fitted on vectors alone"):
        fit_adaptation("removal", vectors, vectors)
    with pytest.raises(ConfigError, match=r"adaptations.realign.beta cannot be 2"):
        fit_adaptation("realign", vectors, vectors, {"beta": 2})


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        (None, r"the queries have the shape \(\)"),
        (np.ones(4), r"the queries have the shape \(4,\); give an array \[n, d\]"),
        (np.ones((0, 4)), r"the queries have the shape \(0, 4\)"),
        ([[1.0, 2.0], [3.0]], "the queries are no numbers, or rows of unequal width"),
        (np.full((3, 4), np.nan), "the queries hold values that are not finite"),
        (np.ones((3, 5)), "queries and candidates have the widths 5 and 4"),
    ],
)
def test_what_is_no_matrix_is_refused(run: Run, queries: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit_adaptation("zca", queries, np.eye(4))  # type: ignore[arg-type]
    if "widths" not in message:
        with pytest.raises(DataError, match=message.replace("queries", "vectors")):
            run.codes(queries)  # type: ignore[arg-type]


def test_a_store_in_the_home_is_found(inline_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(inline_store.parent))
    assert open_store(f"~/{inline_store.name}").root == inline_store.resolve()
