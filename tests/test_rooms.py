"""The drawing of the tree in the docs is of the tree as it is."""

from tests.rooms import PAGE, arrows, page


def test_the_drawing_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_only_what_plans_and_starts_runs_knows_the_whole_config() -> None:
    assert {room for room, used in arrows().items() if "config" in used} == {"flows", "planner"}
