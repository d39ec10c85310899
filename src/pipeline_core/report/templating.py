"""How templates are read, the report's and those of pages like it: users' words are text wherever they stand."""

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from pipeline_core.report import text


def environment(package: str) -> Environment:
    """Return what reads the templates of a package, with the report's words for numbers as filters."""
    found = Environment(
        loader=PackageLoader(package),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = (text.percent, text.points, text.points_interval, text.interval, text.probability, text.number)
    found.filters |= {word.__name__: word for word in (*words, text.task_title)}
    return found
