"""A corpus of pictures, texts and both, searched whole by a generative model: from the files to the report."""

from pathlib import Path

import pytest

from flows.inline import InlineRunner
from flows.running import run_plan
from pipeline_core import open_store
from pipeline_core.config import load_config
from pipeline_core.planner.planning import plan_analysis
from pipeline_core.schema.parquet import read_table
from pipeline_core.warehouse.query import query
from tests.dataset.sources.folder.making import draw, write_lines, write_qrels
from tests.models import tiny
from tests.small import SMALL

KINDS = {"p": "image", "t": "text", "b": "image_sentence"}
N = 8

pytestmark = pytest.mark.long


def write_corpus(root: Path) -> Path:
    """Write N of each kind, and a text for each that asks for it in support and in test."""
    shown = {f"{kind}{n}": draw(root, f"{kind}{n}.png", 50 * n + ord(kind)) for kind in "pb" for n in range(N)}
    corpus = [
        {"_id": f"{kind}{n}"}
        | ({"image": shown[f"{kind}{n}"]} if kind in "pb" else {})
        | ({"text": f"a red heart, number {n}{kind}"} if kind in "tb" else {})
        for kind in KINDS
        for n in range(N)
    ]
    write_lines(root / "corpus.jsonl", corpus)
    splits = ("support", "test")
    asked = [
        {"_id": f"{s}-{kind}{n}", "text": f"a wave {n} {kind} {s}"} for s in splits for kind in KINDS for n in range(N)
    ]
    write_lines(root / "queries.jsonl", asked)
    for split in splits:
        write_qrels(root, split, [f"{split}-{kind}{n} {kind}{n} 1" for kind in KINDS for n in range(N)])
    return root


def test_from_the_files_to_the_report(tmp_path: Path) -> None:
    settings = (
        *(s for s in SMALL if not s.startswith(("sae=", "features."))),
        "dataset.name=folder",
        f"dataset.path={write_corpus(tmp_path / 'data')}",
        "dataset.mixed=true",
        f"model={{name: {tiny.save_llava(tmp_path / 'llava')}, alias: llava}}",
        "sae=[]",
        "compare_with=[]",
    )
    store = tmp_path / "store"
    run_plan("analyze", plan_analysis(load_config(settings=settings)), store, InlineRunner())
    run = open_store(store).run()
    embedded = read_table(run.artifact("activations/llava"), "embeddings", ["sample_id", "prompt_id"]).unique()
    found = {row for row in embedded.iter_rows() if row[0].startswith("corpus:")}
    assert found == {(f"corpus:{kind}{n}", prompt) for kind, prompt in KINDS.items() for n in range(N)}
    scored = query(
        store,
        "select task_type, n_queries, n_candidates, count(*) from latest.retrieval_metrics "
        "join latest.tasks using (task_id) join latest.systems using (system_id) "
        "where split = 'test' and metric = 'hit_rate' and k = 5 and adaptation in ('identity', 'realign') group by all",
    )
    assert {row[:3] for row in scored.rows} == {(f"t->{kind}", N, 3 * N) for kind in ("i", "t", "it")}
    hits = query(
        store,
        "select count(distinct modality) as kinds from latest.retrieval_hits join latest.samples using (sample_id) "
        "group by task_id, query_id, system_id order by kinds desc",
    )
    assert hits.rows[0] == (3,)
    (page,) = store.glob("report/*/report.html")
    assert "of every modality" in page.read_text(encoding="utf-8")
