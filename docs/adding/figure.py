"""How to add a figure: the share of queries that are found among the first k, by k, a panel a task type.

One file. `section` and `place` say where it stands; `title`, and what `draw` returns, is what people read. Its SQL is
text here; as a file it would lie beside the module as `found_by_rank.sql`, and `self.ask(drawing.facts)` would answer
it. `latest` holds the analysis itself, `seeds` every repetition. `draw` returns None where the run holds nothing to
draw. Line charts need no template; what draws other `content` lies beside the module as `found_by_rank.html`, or is
what `template()` returns. An entry point of the group `retrieval_lens.figure`, or a file of this name in
`report/figures`, puts it on the page.
"""

import polars as pl

from pipeline_core.report import axes
from pipeline_core.report.chart import MARGIN, Charts, Panel, PanelRow, draw, extent
from pipeline_core.report.figures import FINDINGS, Drawing, Drawn, Figure, methods, models_in, series
from pipeline_core.report.text import percent, task_title

SQL = """-- Share of the test queries whose first right answer is among the first k, by method and task type.
select s.model, t.task_type, s.method, s.fit_on, a.colour, k,
       avg(coalesce(r.first_relevant_rank <= k, false)::integer) as value, value as low, value as high
from latest.retrieval_ranks r
join latest.systems s using (system_id)
join latest.tasks t using (task_id)
left join adaptations a using (adaptation)
cross join (values (1), (2), (5), (10), (20)) as places (k)
where s.study = 'main' and s.named and s.control = 'none' and r.split = 'test' and t.control = 'none'
group by all
order by s.model, t.task_type, any_value(a.place) nulls last, s.method, s.fit_on nulls first, k"""


def panels(own: pl.DataFrame) -> tuple[Panel, ...]:
    """Draw a panel a task type, a line a method, in the colour that the page has for its adaptation."""
    x = axes.measured(own["k"].to_list(), "{:g}".format, "among the first")
    found = []
    for (task_type,), rows in own.group_by(["task_type"], maintain_order=True):
        lines = [series(one.rows, "k", one.label, f"line-{one.colour}", "dotted line") for one in methods(rows)]
        y = axes.linear(extent(lines), axes.percentages, margin=MARGIN)
        found.append(draw(task_title(str(task_type)), "", lines, x, y, percent))
    return tuple(found)


class FoundByRank(Figure):
    """A row of panels a model."""

    name, place, section = "found_by_rank", 35, FINDINGS
    title = "How far down the right answer is"

    def draw(self, drawing: Drawing) -> Drawn | None:
        """Draw it; None where nothing was ranked."""
        answer = drawing.facts.answer(SQL, {})
        found = models_in(drawing.inputs, answer.rows)
        if not found:
            return None
        first = answer.rows.filter(k=1)["value"].to_list()
        statement = f"A right answer comes first for {percent(min(first))} to {percent(max(first))} of the queries."
        return Drawn(
            statement,
            "Test split, by task type and method.",
            Charts(tuple(PanelRow(model.name, panels(own)) for model, own in found)),
            (answer,),
        )


MEMBER = FoundByRank()
