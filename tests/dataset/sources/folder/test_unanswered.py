"""Queries that nothing answers: left out, or asked, as the paper's code asks them."""

from pathlib import Path

import polars as pl

from pipeline_core.retrieval.judgements import Judgements
from tests.dataset.conftest import Built
from tests.dataset.sources.folder.conftest import Read
from tests.dataset.sources.folder.making import draw, write_lines, write_qrels

SILENT = {"query:none", "query:gone"}


def write(root: Path) -> None:
    """Write queries with an answer, with none, with one that is not there, and one that cannot be read."""
    asked = [{"_id": name, "text": f"text of {name}"} for name in ("one", "none", "gone", "held", "unnamed")]
    write_lines(root / "queries.jsonl", [*asked, {"_id": "broken", "text": "broken", "image": "no.png"}])
    write_lines(root / "corpus.jsonl", [{"_id": n, "image": draw(root, f"{n}.png", sum(n.encode()))} for n in "ab"])
    write_qrels(root, "test", ["one a 1", "none a 0", "gone z 1", "broken a 1"])
    write_qrels(root, "support", ["held b 0"])


def asked(built: Built) -> dict[str, str]:
    return dict(built["queries"].select("query_id", "split").iter_rows())


def test_left_out_they_are_counted(root: Path, read: Read) -> None:
    write(root)
    built = read(max_quarantine_share=0.9)
    assert asked(built) == {"query:one": "test"}
    assert built["tasks"]["unanswered"].to_list() == [2]


def test_asked_they_are_queries_without_judgements_in_the_split_that_names_them(root: Path, read: Read) -> None:
    write(root)
    built = read(max_quarantine_share=0.9, unanswered="asked")
    assert asked(built) == {"query:one": "test", "query:held": "support"} | dict.fromkeys(SILENT, "test")
    assert built["tasks"]["unanswered"].to_list() == [0]
    assert set(built["qrels"]["query_id"]) == {"query:one"}
    places = {"queries.jsonl line 5"}  # no file of judgements names it
    assert set(built["quarantine"].filter(pl.col("reason") == "no judged answer")["row"]) == places
    pool = Judgements(built.folder).pool("queries_t2i", "test")
    assert {pool.query_ids[row] for row in pool.judged} == {"query:one"}
    assert pool.n_all == 3
