"""The tree by its imports: ``python -m tests.rooms`` draws it into ``docs/rooms.md``, and a test holds it.

A room is a top-level package, or a package or module directly below ``pipeline_core``. An arrow runs from a room to one
that it imports. A room stands one floor above the highest that it imports.
"""

from functools import cache
from pathlib import Path

import grimp

PAGE = Path(__file__).parent.parent / "docs" / "rooms.md"
CORE = "pipeline_core"

_HEAD = """# The tree by its imports

Drawn by `make docs`; a test holds it. A room is `flows`, `tasks`, or a folder or module directly below
`src/pipeline_core/`; an arrow runs from a room to one that it imports; a room stands one floor above the highest that
it imports. [architecture.md](architecture.md) says what each is for, and how the tree looked before.

{rooms} rooms, {floors} floors, {arrows} arrows, none of which runs up.

| floor | room | imports |
| ---: | --- | --- |
"""


def arrows() -> dict[str, set[str]]:
    """Return the rooms that each room imports."""
    graph = grimp.build_graph(CORE, "flows", "tasks", cache_dir=None)
    found: dict[str, set[str]] = {_room(module): set() for module in graph.modules}
    for module in graph.modules:
        found[_room(module)] |= {_room(used) for used in graph.find_modules_directly_imported_by(module)}
    return {room: used - {room} for room, used in found.items() if room != CORE}


def page() -> str:
    """Return the drawing as Markdown.

    Raises:
        RecursionError: rooms import one another in a circle.
    """
    imported = arrows()

    @cache
    def floor(room: str) -> int:
        return 1 + max((floor(used) for used in imported[room]), default=0)

    ordered = sorted(imported, key=lambda room: (-floor(room), room))
    head = _HEAD.format(rooms=len(imported), floors=floor(ordered[0]), arrows=sum(map(len, imported.values())))
    rows = [
        f"| {floor(room)} | {room} | {', '.join(used for used in ordered if used in imported[room])} |\n"
        for room in ordered
    ]
    return head + "".join(rows)


def _room(module: str) -> str:
    top, _, below = module.partition(".")
    return below.partition(".")[0] or CORE if top == CORE else top


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
