from pathlib import Path
from urllib.parse import unquote

import ir_measures
import polars as pl

from pipeline_core.retrieval.trec import write_qrels, write_run

HITS = pl.DataFrame(
    {
        "query_id": ["q1", "q1", "q 2"],
        "sample_id": ["image:a", "image:b c", "100%25"],
        "rank": [1, 2, 1],
        "score": [0.75, -0.5, 0.125],
    }
)
QRELS = pl.DataFrame({"query_id": ["q1", "q 2"], "sample_id": ["image:a", "tab\there"], "relevance": [1, 2]})


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
