"""The words of the field and of this project, explained; every page leads here."""

from collections.abc import Mapping
from typing import Any

from pipeline_core.app.pages import Page, Visit
from pipeline_core.glossary import terms


class Glossary(Page):
    """What the words mean."""

    name, title, path = "glossary", "Words", "/glossary"

    def show(self, visit: Visit) -> Mapping[str, Any]:
        """Tell all of them."""
        return {"words": terms()}


MEMBER = Glossary()
