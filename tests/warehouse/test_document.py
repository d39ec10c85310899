"""The generated page of tables is that of the present schema."""

from pathlib import Path

from pipeline_core.warehouse.document import tables_markdown

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == tables_markdown(), (
        "run python -m pipeline_core.warehouse.document docs/tables.md"
    )
