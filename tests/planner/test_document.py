"""The generated page of stages is that of the present stages."""

from pathlib import Path

from pipeline_core.planner.document import stages_markdown

PAGE = Path(__file__).parents[2] / "docs" / "stages.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == stages_markdown(), (
        "run python -m pipeline_core.planner.document docs/stages.md"
    )
