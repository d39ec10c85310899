"""How a report came to be is told from the manifests of its artifacts, and what it could not measure is one line."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

from pipeline_core.report.build import REPORT_FILE, build_report
from pipeline_core.report.inputs import ReportInputs
from pipeline_core.report.provenance import provenance
from pipeline_core.report.settings import ReportSettings
from pipeline_core.store.artifacts import Store
from pipeline_core.store.fingerprint import StageKey
from tests.report.artifacts import make_run


def published(inputs: ReportInputs, store: Store) -> ReportInputs:
    """Return the inputs with the data set published, as those of a run are."""
    key = StageKey("dataset", 1, {"dataset": {"name": "folder", "path": "pictures"}}, source="sha256:12ab")
    place = {"device": "cpu", "threads": 2}
    made, _ = store.materialize(
        key, lambda to: shutil.copytree(inputs.dataset, to, dirs_exist_ok=True) and None, placement=place
    )
    first, *others = inputs.artifacts
    assert first.stage == "dataset"
    return replace(inputs, artifacts=(replace(first, folder=made.folder), *others))


def test_when_of_what_on_what_and_with_which_config(tmp_path: Path) -> None:
    plain = make_run(tmp_path / "artifacts").told()
    assert provenance(plain) is None
    found = provenance(published(plain, Store(tmp_path / "store")))
    assert found is not None
    assert re.fullmatch(
        r"Made \d{4}-\d\d-\d\d \d\d:\d\d UTC on cpu with 2 threads, of .+ \(sha256:12ab\)\.", found.told
    )
    assert "duckdb 2" in found.versions
    assert "name: folder" in found.config
    assert re.search(r"where artifact = '[0-9a-f]{16}'$", found.runs)


def test_the_page_tells_it_with_its_words_and_folds_what_was_not_measured(tmp_path: Path) -> None:
    inputs = published(make_run(tmp_path / "artifacts").told(), Store(tmp_path / "store"))
    (tmp_path / "report").mkdir()
    build_report(inputs, ReportSettings(), tmp_path / "report")
    page = (tmp_path / "report" / REPORT_FILE).read_text(encoding="utf-8")
    assert page.count("UTC on cpu with 2 threads") == 2
    assert "<dt>attribution</dt>" in page
    fold = re.search(
        r'<details class="unmeasured"><summary>(.*?)</summary>(.*?)</details>\s*</section>', page, re.DOTALL
    )
    assert fold is not None
    n = int(fold[1].split()[0])
    assert n == fold[2].count('<li class="claim"') > 1
    assert re.search(rf"{n} more are not measurable here; <code>lens sweep</code> measures \d+: claims", fold[1])
    # The paper's own index comes after what was found.
    assert page.index('id="paper-items"') > page.index('id="tables"')
