"""Pages of the application, one file each with its template and its questions in SQL beside it."""

from pipeline_core.app.pages._kind import NotFoundError, Page, Parameters, Reply, Visit, find_run
from pipeline_core.registry import Registry

__all__ = ["PAGES", "NotFoundError", "Page", "Parameters", "Reply", "Visit", "find_run", "in_order"]

PAGES: Registry[Page] = Registry("page", __name__)


def in_order() -> list[Page]:
    """Return all pages in the order of their places; those that only others lead to come last."""
    return sorted(PAGES.values(), key=lambda page: (page.place is None, page.place, page.name))
