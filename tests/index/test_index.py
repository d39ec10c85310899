"""The index finds what exact search finds, raw and ReAligned, and says how well."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline_core.errors import DataError, QueryError, StoreError
from pipeline_core.index import build as building
from pipeline_core.index.build import build_index
from pipeline_core.index.search import SearchResult, open_variant, search
from pipeline_core.index.settings import IndexSettings
from pipeline_core.retrieval.adaptations.realign import RealignSettings
from pipeline_core.retrieval.settings import ScoringSettings
from pipeline_core.schema.parquet import read_table, write_table
from tests.index.conftest import Artifacts
from tests.shared import no_more_files

SCORING = ScoringSettings(), RealignSettings()
SETTINGS = IndexSettings(queries=10), *SCORING
TEXTS = "text:text"


@pytest.fixture(scope="module", params=[True, False], ids=["prompts", "dual encoder"])
def built(request: pytest.FixtureRequest, make: Callable[..., Artifacts], tmp_path_factory) -> tuple[Artifacts, Path]:
    artifacts = make(request.param)
    folder = tmp_path_factory.mktemp("built")
    build_index(artifacts.activations, artifacts.dataset, "rep", *SETTINGS, folder)
    return artifacts, folder


def _query(artifacts: Artifacts, sample_id: str) -> np.ndarray:
    return next(vector for (sample, _), vector in artifacts.vectors.items() if sample == sample_id)


def _ids(hits: tuple) -> list[str]:
    return [hit.sample_id for hit in hits]


def test_raw_hits_are_those_of_cosine_search(built: tuple[Artifacts, Path]) -> None:
    artifacts, folder = built
    query = _query(artifacts, "text:00004")
    images = {s: v for (s, _), v in artifacts.vectors.items() if s.startswith("image")}
    cosines = {s: float(v @ query / np.linalg.norm(v) / np.linalg.norm(query)) for s, v in images.items()}
    expected = sorted(cosines, key=lambda s: (-cosines[s], s))[:5]
    result = search(folder, query, "image", 5, TEXTS)
    assert _ids(result.raw) == expected
    assert [hit.score for hit in result.raw] == pytest.approx([cosines[s] for s in expected], abs=1e-5)
    assert result.raw[0].text == f"thing {int(expected[0][-5:])}"


def test_realigned_hits_follow_the_papers_equation(built: tuple[Artifacts, Path]) -> None:
    artifacts, folder = built

    def whitened(vectors: np.ndarray, fitted_on: np.ndarray) -> np.ndarray:
        mean, covariance = fitted_on.mean(axis=0), np.cov(fitted_on.T.astype(np.float64))
        values, basis = np.linalg.eigh(
            0.9 * covariance + 0.1 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        )
        mapped = (vectors - mean) @ basis @ np.diag((values + 1e-5) ** -0.5) @ basis.T
        return mapped / np.linalg.norm(mapped, axis=1, keepdims=True)

    names = sorted(s for s, _ in artifacts.vectors if s.startswith("image"))
    images = np.stack([_query(artifacts, name) for name in names])
    support = np.stack([_query(artifacts, f"text:{i:05d}") for i in range(1, len(names), 3)])
    query = _query(artifacts, "text:00004")
    scores = (whitened(query[None], support) @ whitened(images, images).T)[0]
    expected = [names[i] for i in np.argsort(-scores)[:5]]
    assert _ids(search(folder, query, "image", 5, TEXTS).realign) == expected


def test_realign_finds_the_right_picture_where_raw_does_not(built: tuple[Artifacts, Path]) -> None:
    artifacts, folder = built
    numbers = range(0, 60, 3)
    results: list[SearchResult] = [
        search(folder, _query(artifacts, f"text:{i:05d}"), "image", 1, TEXTS) for i in numbers
    ]
    right = [f"image:{i:05d}" for i in numbers]
    raw = sum(r.raw[0].sample_id == s for r, s in zip(results, right, strict=True))
    realign = sum(r.realign[0].sample_id == s for r, s in zip(results, right, strict=True))
    assert realign > raw


def test_answers_are_of_the_modality_asked_for_and_never_mere_queries(built: tuple[Artifacts, Path]) -> None:
    artifacts, folder = built
    query = _query(artifacts, "text:phrase")
    texts = search(folder, query, "text", 100, TEXTS).raw
    assert {hit.modality for hit in texts} == {"text"}
    assert "text:phrase" not in _ids(texts)
    assert len(texts) == 60
    assert {hit.modality for hit in search(folder, query, "any", 100, TEXTS).raw} == {"image", "text"}


def test_recall_of_a_scan_is_one(built: tuple[Artifacts, Path]) -> None:
    _, folder = built
    table = read_table(folder, "index_recall")
    assert table.select("adaptation", "k").rows() == [(a, k) for a in ("raw", "realign") for k in (1, 5, 10)]
    assert set(table["kind"]) == {"exact"}
    assert set(table["n_queries"]) == {10}
    assert table["recall"].to_list() == [1.0] * 6
    assert table["queries_per_second"].min() > 0


def test_an_index_that_no_test_query_can_measure_is_refused(make: Callable[..., Artifacts], tmp_path: Path) -> None:
    artifacts = make(True)
    dataset = Path(shutil.copytree(artifacts.dataset, tmp_path / "dataset"))
    write_table(dataset, "queries", read_table(dataset, "queries").filter(pl.col("split") != "test"))
    (tmp_path / "index").mkdir()
    with pytest.raises(DataError, match="no task has queries in the split test, on which the index is measured"):
        build_index(artifacts.activations, dataset, "rep", *SETTINGS, tmp_path / "index")


def test_a_vector_of_another_model_is_refused(built: tuple[Artifacts, Path]) -> None:
    _, folder = built
    with pytest.raises(QueryError, match="16"):
        search(folder, np.ones(7, dtype=np.float32), "image", 5, TEXTS)


@pytest.mark.parametrize("pattern", ["lance/raw.lance/data/*", "lance/realign.lance/_versions/*.manifest"])
@pytest.mark.parametrize("damage", ["lost", "truncated"])
def test_a_damaged_index_is_told_in_one_line(
    built: tuple[Artifacts, Path], tmp_path: Path, pattern: str, damage: str
) -> None:
    artifacts, folder = built
    copy = Path(shutil.copytree(folder, tmp_path / "index" / "copy"))
    for file in copy.glob(pattern):
        if damage == "lost":
            file.unlink()
        else:
            file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(
        StoreError, match=r"the index's table \w+ cannot be read: .*; run lens verify --repair"
    ) as caught:
        search(copy, _query(artifacts, "text:00004"), "image", 5, TEXTS)
    assert "\n" not in str(caught.value)


def test_a_file_too_many_is_no_damage_of_an_index(built: tuple[Artifacts, Path]) -> None:
    artifacts, folder = built
    query = _query(artifacts, "text:00004")
    with no_more_files(), pytest.raises(OSError, match="Too many open files"):
        search(folder, query, "image", 5, TEXTS)


def test_a_question_of_a_kind_that_was_never_fitted_is_answered_by_raw_embeddings(
    built: tuple[Artifacts, Path],
) -> None:
    artifacts, folder = built
    found = search(folder, _query(artifacts, "image:00000"), "image", 5, "image:image")
    assert (found.raw[0].sample_id, found.realign) == ("image:00000", None)


def test_an_interrupted_build_is_replaced_and_tables_are_equal(make: Callable[..., Artifacts], tmp_path: Path) -> None:
    artifacts = make(True)
    steady = pl.exclude("queries_per_second")
    tables = []
    for _ in range(2):
        build_index(artifacts.activations, artifacts.dataset, "rep", *SETTINGS, tmp_path)
        tables.append(read_table(tmp_path, "index_recall").select(steady))
    assert tables[0].equals(tables[1])
    assert open_variant(tmp_path, "raw").count_rows() == 120


@pytest.mark.parametrize("kind", ["ivf_flat", "hnsw_sq"])
def test_an_approximate_index_is_measured(
    kind: str, make: Callable[..., Artifacts], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "LEAST_INDEXED", 256)
    artifacts = make(True, 600)
    settings = IndexSettings(kind=kind, queries=20)
    build_index(artifacts.activations, artifacts.dataset, "rep", settings, *SCORING, tmp_path)
    table = read_table(tmp_path, "index_recall")
    assert set(table["kind"]) == {kind}
    assert [index.columns for index in open_variant(tmp_path, "raw").list_indices()] == [["vector"]]
    assert table["recall"].min() > 0.9
