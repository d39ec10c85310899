"""How to add a page of the application: the texts of a run that are longest, with links to them.

One file. `path` is its address, `place` where it stands in the bar at the top (None: only links lead to it) and
`parameters` what may stand behind the question mark, with types: whatever else is asked is refused in one line. `show`
asks the warehouse and returns what the template shows. Template and SQL are text here; as files they would lie beside
the module, as `longest_texts.html` and `longest_texts.sql`, and `visit.ask(most=10)` would answer the latter. `latest`
shows the run that is looked at. `part.sql(answer)` links numbers to their query; what data say is escaped wherever it
stands.
An entry point of the group `retrieval_lens.page`, or a file of this name in `app/pages`, puts it into the application.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from pipeline_core.app.pages import Page, Parameters, Visit

SQL = """-- The longest texts of a run's data set.
select sample_id, text, length(text) as characters
from latest.samples
where modality = 'text'
order by characters desc, sample_id
limit $most"""

TEMPLATE = """{% extends "base.html" %}
{% block content %}
<h1>Longest texts {{ part.sql(answer) }}</h1>
<ol>{% for row in answer.rows %}<li><a href="{{ link('/sample', id=row.sample_id) }}">{{ row.text }}</a>
  {{ part.count(row.characters) }} characters</li>{% endfor %}</ol>
{% endblock %}"""


class Asked(Parameters):
    """How many."""

    most: int = Field(10, ge=1, le=1000)


class LongestTexts(Page):
    """A list with links to the samples."""

    name, title, path, place = "longest_texts", "Longest texts", "/longest-texts", 8
    parameters = Asked

    def show(self, visit: Visit) -> Mapping[str, Any]:
        """Answer for as many as are asked for."""
        return {"answer": visit.answer(SQL, most=visit.given.most)}

    def template(self) -> str:
        """Return what stands here in place of a file."""
        return TEMPLATE


MEMBER = LongestTexts()
