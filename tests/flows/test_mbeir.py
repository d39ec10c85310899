"""All sixteen tasks of M-BEIR at a tenth of their size, from Parquet to the report of a declared sample."""

import re
from pathlib import Path

import pytest
from transformers import AutoModel

from flows.inline import InlineRunner
from flows.running import run_plan
from pipeline_core.config import load_config
from pipeline_core.planner.planning import plan_analysis
from pipeline_core.warehouse.query import query
from tests.dataset.sources.mbeir.making_shards import PUBLISHED, write_benchmark
from tests.models import tiny_duals, tiny_families
from tests.small import SMALL

SCALE, QUERIES, DISTRACTORS = 10, 12, 20

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, tuple[int, int, int]]]:
    root = tmp_path_factory.mktemp("mbeir") / "hub"
    return root, write_benchmark(root, SCALE)


def test_from_parquet_to_the_report(counts: tuple[Path, dict[str, tuple[int, int, int]]], tmp_path: Path) -> None:
    root, written = counts
    model = tiny_families.save(tmp_path / "clip", tiny_duals.DUAL["clip"], AutoModel)
    tasks = sorted({name.split("_")[0] for name in written})
    settings = (
        "dataset.name=mbeir",
        f"dataset.path={root}",
        f"dataset.tasks={tasks}",
        f"dataset.queries={QUERIES}",
        f"dataset.distractors={DISTRACTORS}",
        f"model={{name: {model}, alias: clip}}",
        *(setting for setting in SMALL if not setting.startswith(("sae=", "features.", "placement.shard"))),
        "sae=[]",
        "compare_with=[]",
        "placement.shard_size=512",
        "placement.batch_size=64",
    )
    store = tmp_path / "store"
    run_plan("analyze", plan_analysis(load_config(settings=settings)), store, InlineRunner())

    asked = "select task_id, primary_k, queries_of, candidates_of from latest.tasks where control = 'none'"
    rows = {name: told for name, *told in query(store, asked).rows}
    assert rows.keys() == written.keys()
    assert len(rows) == len(PUBLISHED)
    tens = {name for name, (k, *_) in rows.items() if k == 10}
    assert tens == {"fashion200k_t2i", "fashion200k_i2t", "fashioniq_it2i"}
    assert {name: tuple(counts) for name, (_, *counts) in rows.items()} == {
        name: told[:2] for name, told in written.items()
    }
    scored = query(
        store,
        "select task_id, n_queries from latest.retrieval_metrics join latest.tasks using (task_id) "
        "where k = primary_k and metric = 'hit_rate' and split = 'test' and control = 'none' group by all",
    )
    assert dict(scored.rows) == dict.fromkeys(written, QUERIES)
    (file,) = store.glob("report/*/report.html")
    page = file.read_text(encoding="utf-8")
    asked, n_queries = QUERIES * len(written), sum(n for n, *_ in written.values())
    words = rf"A sample: {asked:,} of {n_queries:,} queries among [\d,]+ of [\d,]+ candidates in {len(written)} tasks"
    assert len(re.findall(words, page)) >= page.count("<figure id=") + page.count('<section class="table"') > 2
