import ir_measures
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline_core.errors import DataError
from pipeline_core.retrieval.trec import read_qrels, read_run, write_qrels, write_run

HITS = pl.DataFrame(
    {
        "query_id": ["q1", "q1", "q 2"],
        "sample_id": ["image:a", "image:b c", "100%25"],
        "rank": [1, 2, 1],
        "score": [0.75, -0.5, 0.125],
    }
)
QRELS = pl.DataFrame({"query_id": ["q1", "q 2"], "sample_id": ["image:a", "tab\there"], "relevance": [1, 2]})


def test_a_run_comes_back_as_written(tmp_path):
    write_run(tmp_path / "a.run", HITS, "model/raw")
    assert_frame_equal(read_run(tmp_path / "a.run"), HITS.with_columns(tag=pl.lit("model/raw")))


def test_qrels_come_back_as_written(tmp_path):
    write_qrels(tmp_path / "a.qrels", QRELS)
    assert_frame_equal(read_qrels(tmp_path / "a.qrels"), QRELS)


def test_ir_measures_reads_what_is_written(tmp_path):
    write_run(tmp_path / "a.run", HITS, "model/raw")
    write_qrels(tmp_path / "a.qrels", QRELS)
    run = list(ir_measures.read_trec_run(str(tmp_path / "a.run")))
    qrels = list(ir_measures.read_trec_qrels(str(tmp_path / "a.qrels")))
    assert [(r.query_id, r.doc_id, r.score) for r in run][:2] == [("q1", "image:a", 0.75), ("q1", "image:b%20c", -0.5)]
    assert ir_measures.calc_aggregate([ir_measures.RR], qrels, run) == {ir_measures.RR: 0.5}


def test_files_of_others_may_be_separated_by_tabs(tmp_path):
    (tmp_path / "a.qrels").write_text("q1\t0\td1\t1\nq2 0   d2 0\n\n")
    assert read_qrels(tmp_path / "a.qrels").rows() == [("q1", "d1", 1), ("q2", "d2", 0)]


@pytest.mark.parametrize("text", ["q1 0 d1 1 extra\n", "q1 0 d1\n", "q1 0 d1 relevant\n"])
def test_other_lines_are_refused_in_one_line(tmp_path, text):
    (tmp_path / "a.qrels").write_text(text)
    with pytest.raises(DataError, match="its lines are: query_id iteration sample_id relevance") as caught:
        read_qrels(tmp_path / "a.qrels")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.run cannot be read"):
        read_run(tmp_path / "none.run")
