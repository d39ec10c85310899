"""The words of the field and of this project, explained: ``python -m pipeline_core.glossary docs/glossary.md``."""

import sys
from dataclasses import dataclass
from pathlib import Path

from pipeline_core.program_yaml import read_program_yaml

WORDS = Path(__file__).with_suffix(".yaml")

_HEAD = """# Glossary

Written by `make docs` from `src/pipeline_core/glossary.yaml`. Each word is told with where its values are computed, in
`src/pipeline_core/`, and where they lie: `lens sql "select * from TABLE"` ([tables.md](tables.md)).

"""


@dataclass(frozen=True)
class Term:
    """A word: what it means, where it is computed, below ``src/pipeline_core/``, and the table that has its values."""

    term: str
    meaning: str
    computed: str | None = None
    table: str | None = None


def terms() -> tuple[Term, ...]:
    """Return all words, in alphabetical order."""
    return tuple(Term(**told) for told in read_program_yaml(WORDS.read_text(encoding="utf-8")))


def page() -> str:
    """Return the words as Markdown."""
    lines = []
    for word in terms():
        computed = f"computed in `{word.computed}`" if word.computed else ""
        table = f"table [`{word.table}`](tables.md#{word.table})" if word.table else ""
        places = "; ".join(filter(None, (computed, table)))
        lines.append(f"**{word.term}**: {word.meaning}{f' ({places})' if places else ''}\n")
    return _HEAD + "\n".join(lines)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
