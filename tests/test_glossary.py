"""Every word of the glossary leads to code and to a table that there are, and the page is up to date."""

from pathlib import Path

from pipeline_core.glossary import page, terms
from pipeline_core.warehouse.catalog import describe_relations

ROOT = Path(__file__).parents[1]


def test_words_lead_to_code_and_tables_that_there_are() -> None:
    relations = {relation.name for relation in describe_relations()}
    for word in terms():
        assert word.computed is None or (ROOT / "src" / "pipeline_core" / word.computed).exists(), word
        assert word.table is None or word.table in relations, word
        assert word.meaning.endswith("."), word


def test_words_are_told_once_and_in_order() -> None:
    words = [word.term.casefold() for word in terms()]
    assert words == sorted(set(words))


def test_the_page_is_up_to_date() -> None:
    written = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert written == page(), "run python -m pipeline_core.glossary docs/glossary.md"
