"""A benchmark with a test split alone, from its files to the report: only what needs support is left out."""

import json
from pathlib import Path

import pytest

from flows.inline import InlineRunner
from flows.running import run_plan
from flows.searching import open_searcher
from pipeline_core.activations.query import Question
from pipeline_core.config import RunConfig
from pipeline_core.errors import DataError
from pipeline_core.planner.planning import plan_analysis, plan_sweep
from pipeline_core.warehouse.query import query
from tests.sae.formats.files import saelens_folder
from tests.small import picture_folder, small_config

FITTED = "fit_on in ('candidates', 'support', 'joint')"


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures as a corpus, texts as queries, and one text for each picture that is relevant."""
    folder = picture_folder(tmp_path_factory.mktemp("benchmark") / "data", 24)
    captions = [line.rpartition(",") for line in (folder / "metadata.csv").read_text().splitlines()[1:]]
    (folder / "metadata.csv").unlink()
    rows = [(f"{number:02d}", name.split(",")[0], text) for number, (name, _, text) in enumerate(captions)]
    corpus = [{"_id": f"p{number}", "image": name} for number, name, _ in rows]
    queries = [{"_id": f"q{number}", "text": text} for number, _, text in rows]
    for name, lines in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    (folder / "qrels").mkdir()
    judged = "".join(f"q{number}\tp{number}\t1\n" for number, *_ in rows)
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}")
    return folder


def config(benchmark: Path, *settings: str) -> RunConfig:
    return small_config(benchmark, "model.name=reference-contrastive", "compare_with=[]", *settings)


@pytest.fixture(scope="module")
def store(benchmark: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("benchmark-store")
    brought = tmp_path_factory.mktemp("brought") / "elsewhere"
    saelens_folder(brought, width=512)
    sae = f"sae=[{{from: {brought}, states: vectors}}]"
    run_plan("sweep", plan_sweep(config(benchmark, sae, "repetitions=1")), root, InlineRunner())
    return root


def asked(store: Path, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in query(store, sql).rows]


def test_every_query_is_scored_and_only_what_needs_support_is_left_out(store: Path) -> None:
    assert asked(store, "select distinct split, n_queries from latest.retrieval_metrics") == [("test", 24)]
    listed = asked(store, f"select count(*) from latest.systems where {FITTED}")
    assert listed != [(0,)]
    scored = f"select count(*) from latest.systems join latest.retrieval_ranks using (system_id) where {FITTED}"
    assert asked(store, scored) == [(0,)]
    others = (
        "select count(*) from latest.systems where fit_on is null or fit_on = 'test_queries'",
        "select count(distinct system_id) from latest.retrieval_ranks",
    )
    assert asked(store, others[0]) == asked(store, others[1]) != [(0,)]


def test_features_of_a_brought_autoencoder_are_measured_on_test_and_choose_no_removal(store: Path) -> None:
    measured = "select count(*) > 0 from latest.features where attribution_rank = 1"
    assert asked(store, measured) == [(True,)]
    assert asked(store, "select distinct split from latest.feature_examples join latest.samples using (sample_id)") == [
        ("test",)
    ]
    assert asked(store, "select count(*) from latest.systems where sae_id is not null") == [(0,)]


def test_the_report_says_so(store: Path) -> None:
    (file,) = store.glob("report/*/report.html")
    page = file.read_text(encoding="utf-8")
    for words in (
        "no support queries",
        "of test: there is neither train nor support, and none is removed",
        "queries in the support split, which ReAlign and its rivals are fitted on",
    ):
        assert words in page
    for reading in ("ReAlign: candidates whitened", "ReAlign by the candidates&#39; statistics;"):
        assert reading not in page


def test_it_can_be_searched_by_raw_embeddings(store: Path) -> None:
    found = open_searcher(store).search(Question("a red heart"), k=3)
    assert (len(found.raw), found.realign) == (3, None)


def test_an_autoencoder_cannot_be_trained_on_it(benchmark: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"the train split has 0 token states, .*; .* or do without autoencoders \(sae=\[\]\)"
    ):
        run_plan("analyze", plan_analysis(config(benchmark)), tmp_path / "store", InlineRunner())
