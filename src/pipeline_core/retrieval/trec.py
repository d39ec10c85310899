"""TREC's run and qrels files: ``qid Q0 docid rank score tag`` and ``qid iter docid relevance``, separated by blanks.

Blanks inside ids, and the percent sign, are percent-encoded; ``urllib.parse.unquote`` restores them.
"""

from pathlib import Path

import polars as pl

RUN = ("query_id", "iteration", "sample_id", "rank", "score", "tag")
QRELS = ("query_id", "iteration", "sample_id", "relevance")

_ENCODED = {"%": "%25", " ": "%20", "\t": "%09", "\n": "%0A", "\r": "%0D"}


def write_run(path: Path, hits: pl.DataFrame, tag: str) -> None:
    """Write hits (query_id, sample_id, rank, score) of the system ``tag``; lines stay in the order given."""
    _write(path, hits.with_columns(iteration=pl.lit("Q0"), tag=pl.lit(tag)), RUN)


def write_qrels(path: Path, qrels: pl.DataFrame) -> None:
    """Write judgements (query_id, sample_id, relevance)."""
    _write(path, qrels.with_columns(iteration=pl.lit("0")), QRELS)


def _write(path: Path, frame: pl.DataFrame, fields: tuple[str, ...]) -> None:
    encoded = frame.select(fields).with_columns(pl.col("query_id", "sample_id", "^tag$").str.replace_many(_ENCODED))
    encoded.write_csv(path, separator=" ", include_header=False, quote_style="never")
