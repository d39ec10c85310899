"""The generated page of tables is that of the present schema."""

import re
from pathlib import Path

from pipeline_core.warehouse.document import tables_markdown
from pipeline_core.warehouse.query import query

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == tables_markdown(), (
        "run python -m pipeline_core.warehouse.document docs/tables.md"
    )


def test_the_questions_of_the_page_are_answered(made_store: Path) -> None:
    (block,) = re.findall(r"```sql\n(.+?)```", tables_markdown(), re.DOTALL)
    questions = block.split(";")[:-1]
    assert len(questions) == 6
    for question in questions:
        assert query(made_store, question).rows, question
