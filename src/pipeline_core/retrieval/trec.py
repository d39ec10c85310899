"""TREC's run and qrels files: ``qid Q0 docid rank score tag`` and ``qid iter docid relevance``, separated by blanks.

Blanks inside ids, and the percent sign, are percent-encoded; reading restores them.
"""

import re
from pathlib import Path

import polars as pl

from pipeline_core.errors import DataError

Fields = dict[str, pl.DataType]

RUN: Fields = {
    "query_id": pl.String(),
    "iteration": pl.String(),
    "sample_id": pl.String(),
    "rank": pl.Int64(),
    "score": pl.Float64(),
    "tag": pl.String(),
}
QRELS: Fields = {"query_id": pl.String(), "iteration": pl.String(), "sample_id": pl.String(), "relevance": pl.Int64()}

_ENCODED = {"%": "%25", " ": "%20", "\t": "%09", "\n": "%0A", "\r": "%0D"}
_IDS = pl.col("query_id", "sample_id", "^tag$")


def write_run(path: Path, hits: pl.DataFrame, tag: str) -> None:
    """Write hits (query_id, sample_id, rank, score) of the system ``tag``; lines stay in the order given."""
    _write(path, hits.with_columns(iteration=pl.lit("Q0"), tag=pl.lit(tag)), RUN)


def read_run(path: Path) -> pl.DataFrame:
    """Read a run file as (query_id, sample_id, rank, score, tag).

    Raises:
        DataError: the file cannot be read, or a line has other fields.
    """
    return _read(path, RUN)


def write_qrels(path: Path, qrels: pl.DataFrame) -> None:
    """Write judgements (query_id, sample_id, relevance)."""
    _write(path, qrels.with_columns(iteration=pl.lit("0")), QRELS)


def read_qrels(path: Path) -> pl.DataFrame:
    """Read a qrels file as (query_id, sample_id, relevance); errors as in ``read_run``."""
    return _read(path, QRELS)


def _write(path: Path, frame: pl.DataFrame, fields: Fields) -> None:
    encoded = frame.with_columns(_IDS.str.replace_many(_ENCODED))
    encoded.select(list(fields)).write_csv(path, separator=" ", include_header=False, quote_style="never")


def _read(path: Path, fields: Fields) -> pl.DataFrame:
    try:
        lines = [re.split(r"[ \t]+", line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
        wrong = next((n for n, line in enumerate(lines, 1) if len(line) != len(fields)), None)
        if wrong is not None:
            raise ValueError(f"entry {wrong} has {len(lines[wrong - 1])} fields, not {len(fields)}")
        frame = pl.DataFrame(lines, schema=dict.fromkeys(fields, pl.String()), orient="row").cast(pl.Schema(fields))
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        remedy = f"its lines are: {' '.join(fields)}"
        raise DataError(f"{path} cannot be read as TREC: {str(error).splitlines()[0]}", remedy) from None
    decoded = {code: character for character, code in _ENCODED.items()}
    return frame.with_columns(_IDS.str.replace_many(decoded)).drop("iteration")
