"""What a figure does not know, an adaptation, a selection, an SAE or a task type, it shows or leaves out."""

import re
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.report.build import REPORT_FILE, build_report
from pipeline_core.report.figures import in_order
from pipeline_core.report.settings import ReportSettings
from tests.report import artifacts, sweep_artifacts
from tests.report.test_page import outline

NOVEL = "novel_one"
SHORT = {"t2i", "i2t", "it2i", "v2t"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unknown")
    with pytest.MonkeyPatch.context() as patch:
        systems = (*artifacts.SYSTEMS, (NOVEL, NOVEL, None, "candidates", "none", NOVEL, 1.0))
        tasks = (*(task for task in artifacts.TASKS if task[0] in SHORT), ("v2t", "v->t", "text", "image", "none"))
        patch.setattr(artifacts, "SYSTEMS", systems)
        patch.setattr(artifacts, "TASKS", tasks)
        patch.setattr(artifacts, "SELECTIONS", {**artifacts.SELECTIONS, NOVEL: 0.02})
        patch.setattr(sweep_artifacts, "SCORED", tuple(name for name, *_, control in tasks if control == "none"))
        patch.setattr(sweep_artifacts, "SELECTIONS", {**sweep_artifacts.SELECTIONS, NOVEL: 0.2})
        patch.setattr(sweep_artifacts, "RECIPES", ("paper", NOVEL))
        for name in ("_few", "_adaptations"):
            patch.setattr(sweep_artifacts, name, with_novel(getattr(sweep_artifacts, name)))
        plain = artifacts.make_run(folder / "plain", recipes=("paper", NOVEL))
        inputs = sweep_artifacts.with_sweeps(plain, folder / "swept", repetitions=0).told()
    (folder / "report").mkdir()
    build_report(inputs, ReportSettings(), folder / "report")
    return folder / "report" / REPORT_FILE


def with_novel(added: Any) -> Any:
    """Add a system of an adaptation without a row in ``adaptations`` wherever systems are added."""

    def add(scores: Any, study: str = "adaptations", place: str = "adaptations", *rest: Any) -> None:
        added(scores, study, place, *rest) if rest else added(scores)
        more = {"rep_ids": rest[0]} if rest else {}
        scores.add(study, f"{place}/{NOVEL}", NOVEL, "candidates", 0.2, **more)

    return add


def test_every_figure_is_drawn(page: Path) -> None:
    ids = {attributes.get("id") for _, attributes in outline(page).elements}
    assert {figure.anchor for figure in in_order()} <= ids


@pytest.mark.parametrize("shown", [f"reference-mllm/{NOVEL}", "v → text", NOVEL, NOVEL.replace("_", " ")])
def test_what_is_new_is_named(page: Path, shown: str) -> None:
    text = " ".join("".join(outline(page).text).split())
    figures = text[: text.index("The paper’s tables, measured here")]
    assert shown in figures


def test_a_selection_that_is_not_listed_has_a_line_and_is_a_control(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    figure = text[text.index('id="figure-removal"') : text.index('id="figure-cost"')]
    assert 'class="line line-rival"' in figure
    assert re.search(r"but others do as well \([^)]*novel one \+", figure)
