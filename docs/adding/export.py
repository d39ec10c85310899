"""How to add an export: the ranked lists of raw embeddings as a TREC run, which every tool of retrieval reads.

`write` is given a completed run, whose warehouse shows it, and a path that is not there; it returns in one line how the
other tool takes what was written. `lens export` lists it by `about`.
"""

from pathlib import Path

from pipeline_core.exports import Export
from pipeline_core.library import Run

SQL = """
SELECT task_id || '/' || query_id AS qid, sample_id, retrieval_hits."rank", score
FROM latest.retrieval_hits JOIN latest.systems USING (artifact, system_id)
WHERE adaptation = 'identity' AND model = $model ORDER BY qid, retrieval_hits."rank"
"""


class TrecRun(Export):
    """A text file, a line a hit: qid Q0 docid rank score tag."""

    name = "trec_run"
    about = "ranked lists of raw embeddings as a TREC run"

    def write(self, run: Run, path: Path, model: str | None = None, sae_id: str | None = None) -> str:
        """Write the hits of every task of a model."""
        tag = model or run.models[0]
        with run.warehouse() as connection:
            hits = connection.sql(SQL, params={"model": tag}).fetchall()
        # A blank ends a field.
        rows = ((qid, "Q0", docid, rank, f"{score:.6f}", tag) for qid, docid, rank, score in hits)
        lines = [" ".join("_".join(str(field).split()) for field in row) + "\n" for row in rows]
        path.write_text("".join(lines), encoding="utf-8")
        return f"lens score {path} QRELS"


MEMBER = TrecRun()
