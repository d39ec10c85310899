"""Tables as text to paste elsewhere: Markdown, LaTeX (booktabs) and CSV."""

import csv as csv_format
import io
import re

from pipeline_core.report.tables.table import Cell, Heading, ReportTable

FORMATS = {"md": "Markdown", "tex": "LaTeX", "csv": "CSV"}
"""Ending of the file: name of the format."""

_MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|&~#$])")

_LATEX_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "→": r"$\rightarrow$",
    "−": "$-$",
    "–": "--",
}


def texts(table: ReportTable) -> dict[str, str]:
    """Return a table in every format, by the ending of its file."""
    return {"md": markdown(table), "tex": latex(table), "csv": csv(table)}


def markdown(table: ReportTable) -> str:
    """Write a table as GitHub-flavoured Markdown: caption, statement, and one line a row."""
    rule = ["---:" if heading.numeric else "---" for heading in table.headings]
    rows = [[_markdown(said(heading)) for heading in table.headings], rule]
    rows += [[_emphasised(cell, _markdown(said(cell)), "**{}**") for cell in row] for row in table.all_rows]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"**{_markdown(table.caption)}.** {_markdown(table.statement)}", "", *lines, ""])


def latex(table: ReportTable) -> str:
    """Write a table as a LaTeX float; it needs the package booktabs, and T1 fonts for quotes."""
    columns = "".join("r" if heading.numeric else "l" for heading in table.headings)
    rows = [[_emphasised(cell, _latex(said(cell)), r"\textbf{{{}}}") for cell in row] for row in table.all_rows]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_latex(table.caption)}. {_latex(table.statement)}}}",
            rf"\label{{tab:{table.anchor}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            _latex_row([_latex(said(heading)) for heading in table.headings]),
            r"\midrule",
            *(_latex_row(row) for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def csv(table: ReportTable) -> str:
    """Write headings and rows as CSV (RFC 4180 but for its line ends, which are those of Unix).

    A numeric column holds its cells' numbers, to ten digits and in the unit of the table's SQL, and nothing where there
    is none; where cells have limits, these follow as columns ``<heading> low`` and ``<heading> high``.
    """
    limited = [
        any(row[place].low is not None or row[place].high is not None for row in table.all_rows)
        for place in range(len(table.headings))
    ]
    text = io.StringIO()
    writer = csv_format.writer(text, lineterminator="\n")
    writer.writerow(
        name
        for heading, limits in zip(table.headings, limited, strict=True)
        for name in (f"{said(heading)}{ending}" for ending in (("", " low", " high") if limits else ("",)))
    )
    writer.writerows(
        [
            field
            for heading, limits, cell in zip(table.headings, limited, row, strict=True)
            for field in _fields(heading, limits, cell)
        ]
        for row in table.all_rows
    )
    return text.getvalue()


def said(part: Cell | Heading) -> str:
    """Return what a cell or heading says in one line of text: its small print in brackets."""
    return f"{part.text} ({part.small})" if part.small else part.text


def _fields(heading: Heading, limits: bool, cell: Cell) -> list[str]:
    """Return what a cell puts into its column, and into those of its limits."""
    if not heading.numeric:
        return [said(cell)]
    numbers = (cell.value, cell.low, cell.high) if limits else (cell.value,)
    # The last digits of a mean depend on the order of its addition: the same artifacts are to give the same text.
    return ["" if number is None else f"{number:.10g}" for number in numbers]


def _emphasised(cell: Cell, text: str, form: str) -> str:
    return form.format(text) if cell.strong else text


def _markdown(text: str) -> str:
    return _MARKDOWN_SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _latex(text: str) -> str:
    return "".join(_LATEX_SPECIAL.get(character, character) for character in " ".join(text.split()))


def _latex_row(cells: list[str]) -> str:
    return rf"{' & '.join(cells)} \\"
