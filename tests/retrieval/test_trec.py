"""TREC files: what is written is read back whole, by ourselves and by others; what others write is read."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import ir_measures
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline_core.errors import DataError
from pipeline_core.retrieval.randomness import generator
from pipeline_core.retrieval.scoring import hit_rows, metric_rows, score
from pipeline_core.retrieval.settings import ScoringSettings
from pipeline_core.retrieval.trec import read_qrels, read_run, write_qrels, write_run
from pipeline_core.retrieval.trec_scoring import score_run
from tests.retrieval.test_metrics import KS, pool, result

HITS = pl.DataFrame(
    {
        "query_id": ["q1", "q1", "q 2"],
        "sample_id": ["image:a", "image:b c", "100%25"],
        "rank": [1, 2, 1],
        "score": [0.75, -0.5, 0.125],
    }
)
QRELS = pl.DataFrame({"query_id": ["q1", "q 2"], "sample_id": ["image:a", "tab\there"], "relevance": [1, 2]})

nasty = st.text(
    st.one_of(
        st.sampled_from([c for c in map(chr, range(0x110000)) if c.isspace()]),
        st.sampled_from("%20\ufeff\"',#\x00é"),
        st.characters(exclude_categories=["Cs"]),
    ),
    min_size=1,
    max_size=6,
)
scores = st.floats(allow_nan=False, allow_infinity=False, width=32)
lines = st.lists(st.tuples(nasty, nasty, scores), min_size=1, max_size=6, unique_by=lambda line: line[:2])


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines, nasty)
@example([("\ufeff", "%", 1.0), ("%25", "%20", 0.0), (" ", "\x85\u2028", -1e-30)], "a tag\n")
def test_what_is_written_is_read_back(tmp_path: Path, drawn, tag):
    hits = pl.DataFrame(drawn, schema=["query_id", "sample_id", "score"], orient="row").with_columns(
        pl.col("score").cast(pl.Float32), rank=pl.int_range(1, len(drawn) + 1)
    )
    write_run(tmp_path / "a.run", hits, tag)
    expected = hits.select("query_id", "sample_id", "rank", pl.col("score"), tag=pl.lit(tag))
    read = read_run(tmp_path / "a.run").with_columns(pl.col("score").cast(pl.Float32))
    assert read.equals(expected)
    qrels = hits.select("query_id", "sample_id", relevance="rank")
    write_qrels(tmp_path / "a.qrels", qrels)
    assert read_qrels(tmp_path / "a.qrels").equals(qrels)
    others = list(ir_measures.read_trec_run(str(tmp_path / "a.run")))
    assert [(unquote(r.query_id), unquote(r.doc_id)) for r in others] == [line[:2] for line in drawn]


def test_ir_measures_reads_what_is_written(tmp_path: Path):
    write_run(tmp_path / "a.run", HITS, "model/raw")
    write_qrels(tmp_path / "a.qrels", QRELS)
    run = list(ir_measures.read_trec_run(str(tmp_path / "a.run")))
    qrels = list(ir_measures.read_trec_qrels(str(tmp_path / "a.qrels")))
    assert [(unquote(r.query_id), unquote(r.doc_id), r.score) for r in run] == HITS.drop("rank").rows()
    assert [(unquote(q.query_id), unquote(q.doc_id), q.relevance) for q in qrels] == QRELS.rows()
    assert ir_measures.calc_aggregate([ir_measures.RR], qrels, run) == {ir_measures.RR: 0.5}


def test_every_line_has_the_fields_of_the_format(tmp_path: Path):
    write_run(tmp_path / "a.run", HITS, "my model/raw")
    write_qrels(tmp_path / "a.qrels", QRELS)
    assert (tmp_path / "a.run").read_text().splitlines()[1] == "q1 Q0 image:b%20c 2 -0.5 my%20model/raw"
    assert (tmp_path / "a.qrels").read_text().splitlines() == ["q1 0 image:a 1", "q%202 0 tab%09here 2"]


@pytest.mark.parametrize(
    "text",
    [
        "9:1 0 9:7 2\n9:2 0 9:8 -1\n",
        "9:1\t0\t9:7\t2\r\n\r\n9:2\t0\t9:8\t-1\r\n",
        "9:1 0 9:7 2 0\n9:2 0 9:8 -1 3",
        "\ufeff 9:1   Q0 9:7  2 \n9:2 Q0 9:8 -1\n",
    ],
)
def test_qrels_of_others(tmp_path: Path, text: str):
    read = read_qrels(written(tmp_path / "a.qrels", text))
    assert read.rows() == [("9:1", "9:7", 2), ("9:2", "9:8", -1)]


def test_runs_of_others(tmp_path: Path):
    text = "301 Q0 FR9%-1 0 1e-3 his tag\n301\tQ0\t50%\t7\t-2\ttag\t4\n301 Q0 %FF\u00a0x 8 inf tag\n"
    read = read_run(written(tmp_path / "a.run", text))
    assert read.drop("rank", "tag").rows() == [
        ("301", "FR9%-1", 0.001),
        ("301", "50%", -2.0),
        ("301", "%FF\xa0x", np.inf),
    ]
    assert read["rank"].to_list() == [0, 7, 8]


@pytest.mark.parametrize(
    ("read", "text", "words"),
    [
        (read_run, "q Q0 d 1 0.5 t\nq Q0 d2 1 0.5\n", "line 2 has 5 columns; expected qid Q0 docid rank score tag"),
        (read_run, "q Q0 d 1 0.5 t 3 4\n", "line 1 has 8 columns"),
        (
            read_run,
            "q Q0 d first 0.5 t\n",
            "line 1: the rank is 'first', which is no whole number up to 2147483647; expected qid Q0 docid",
        ),
        (read_run, f"q Q0 d {2**70} 0.5 t\n", f"line 1: the rank is '{2**70}', which is no whole number up to"),
        (read_run, "q Q0 d 1 1_0.5 t\n", "line 1: the score is '1_0.5', which is no number; expected"),
        (read_run, "\nq Q0 d 1 nan t\n", "line 2: the score is 'nan'"),
        (
            read_run,
            "q Q0 d 1 0.5 t\nq Q0 e 2 0.4 t\nq Q0 d 3 0.3 t\n",
            "line 3 repeats the query and document of line 1",
        ),
        (read_qrels, "q 0 d 1\nq,0,d,1\n", "line 2 has 1 columns; expected qid iter docid relevance"),
        (read_qrels, "q 0 d 0.5\n", "line 1: the relevance is '0.5'"),
        (read_qrels, f"q 0 d {2**31}\n", "line 1: the relevance is '2147483648', which is no whole number up to"),
        (read_qrels, f"q 0 d {'9' * 6000}\n", f"line 1: the relevance is '{'9' * 40}', which is no whole number"),
        (read_qrels, "q 0 a%20b 1\nq 0 a%20b 0\n", "line 2 repeats the query and document of line 1"),
        (read_qrels, "\n \n", "has no lines; expected qid iter docid relevance"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, read, text: str, words: str):
    path = written(tmp_path / "bad", text)
    with pytest.raises(DataError) as error:
        read(path)
    assert str(error.value).startswith(str(path))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_none(tmp_path: Path):
    (tmp_path / "bytes").write_bytes(b"q 0 \xff 1\n")
    for path in (tmp_path / "bytes", tmp_path / "missing", tmp_path):
        with pytest.raises(DataError, match=f"^{path} cannot be read: .* give a text file"):
            read_qrels(path)


def test_a_device_without_end_is_no_run():
    with pytest.raises(DataError, match=r"^/dev/zero, line 1 has 100,000 characters or more; expected qid"):
        read_run(Path("/dev/zero"))


def files_of_a_search(folder: Path) -> tuple[Path, Path, dict[tuple[str, int], tuple[float, float, float]]]:
    """Write run and qrels of a search whose ids need encoding; return its metrics as the pipeline gives them."""
    of = pool()
    of = replace(of, query_ids=tuple(f"{n} % of\xa0it" for n in range(len(of.query_ids))))
    found = result(of)
    settings = ScoringSettings(bootstrap=200)
    metrics = metric_rows(score(of, {"s": found}, KS, {"s"}), settings)
    write_run(folder / "a.run", hit_rows(of, {"s": found}), "s")
    rows = [
        (of.query_ids[q], of.candidate_ids[c], r) for (q, c), r in zip(of.relevant.tolist(), of.relevance, strict=True)
    ]
    write_qrels(folder / "a.qrels", pl.DataFrame(rows, schema=["query_id", "sample_id", "relevance"], orient="row"))
    values = metrics.select("metric", "k", "value", "low", "high").rows()
    return folder / "a.run", folder / "a.qrels", {row[:2]: row[2:] for row in values}


def test_ir_measures_scores_our_files_as_we_do(tmp_path: Path):
    run, qrels, ours = files_of_a_search(tmp_path)
    for k in KS:
        measures = {"hit_rate": ir_measures.Success @ k, "mrr": ir_measures.RR @ k}
        measures |= {"recall": ir_measures.R @ k, "ndcg": ir_measures.nDCG @ k}
        theirs = ir_measures.calc_aggregate(
            measures.values(), ir_measures.read_trec_qrels(str(qrels)), ir_measures.read_trec_run(str(run))
        )
        for name, measure in measures.items():
            assert theirs[measure] == pytest.approx(ours[name, k][0]), measure


def test_a_run_that_is_read_scores_as_the_search_did(tmp_path: Path):
    run, qrels, ours = files_of_a_search(tmp_path)
    scored = score_run(read_run(run), read_qrels(qrels), KS, 200, 0)
    assert set(scored["n_queries"]) == {len(pool().judged)}
    assert {row[:2]: pytest.approx(row[2]) for row in scored.rows()} == {name: row[0] for name, row in ours.items()}
    assert (scored["low"] <= scored["value"]).all()
    assert (scored["value"] <= scored["high"]).all()


def test_intervals_are_those_of_a_bootstrap_by_query():
    rng = generator(0, "test")
    hit = rng.random(400) < 0.3
    run = pl.DataFrame({"query_id": [str(n) for n in range(400)], "sample_id": ["d" if h else "e" for h in hit]})
    qrels = run.select("query_id", sample_id=pl.lit("d"), relevance=1)
    row = score_run(run.with_columns(score=1.0), qrels, [1], 2000, 0).row(0, named=True)
    error = 1.96 * np.sqrt(hit.mean() * (1 - hit.mean()) / 400)
    assert row["value"] == hit.mean()
    assert row["high"] - row["value"] == pytest.approx(error, rel=0.1)
    assert row["value"] - row["low"] == pytest.approx(error, rel=0.1)


def test_order_is_by_score_then_id_whatever_the_ranks_say_and_missing_queries_count():
    run = pl.DataFrame(
        {"query_id": ["a"] * 3, "sample_id": ["z", "y", "x"], "rank": [1, 2, 3], "score": [0.5, 0.5, 0.9]}
    )
    qrels = pl.DataFrame({"query_id": ["a", "b", "c"], "sample_id": ["y", "y", "y"], "relevance": [1, 1, 0]})
    scored = score_run(run, qrels, [1, 2], 10, 0)
    values = {row[:2]: row[2] for row in scored.rows()}
    assert values["hit_rate", 1] == 0
    assert values["hit_rate", 2] == 0.5
    assert values["mrr", 2] == 0.25
    assert set(scored["n_queries"]) == {2}


def test_two_judged_pairs_are_two_pairs():
    """As many pairs as a pair has sides: a square array, which reads by rows and by columns."""
    run = pl.DataFrame({"query_id": ["q1", "q2", "q2"], "sample_id": ["d1", "d3", "d1"], "score": [3.0, 3.0, 1.0]})
    qrels = pl.DataFrame({"query_id": ["q1", "q2"], "sample_id": ["d1", "d1"], "relevance": [1, 1]})
    values = {row[:2]: row[2] for row in score_run(run, qrels, [5], 10, 0).rows()}
    assert (values["hit_rate", 5], values["mrr", 5]) == (1.0, 0.75)


@pytest.mark.parametrize(
    ("qrels", "words"),
    [
        ({"query_id": ["q"], "sample_id": ["d"], "relevance": [0]}, "judge nothing relevant"),
        (
            {"query_id": ["other"], "sample_id": ["d"], "relevance": [1]},
            "none of the 1 judged queries, such as 'other'",
        ),
    ],
)
def test_a_run_that_cannot_be_scored(qrels, words: str):
    run = pl.DataFrame({"query_id": ["q"], "sample_id": ["d"], "score": [1.0]})
    with pytest.raises(DataError, match=words):
        score_run(run, pl.DataFrame(qrels), [1], 10, 0)
