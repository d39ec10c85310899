"""What every test shares: a quiet environment before any library is imported, and a quiet end."""

import atexit
from pathlib import Path

import pytest

from flows import environment
from flows.exits import ExitStatus

environment.prepare()
_status = ExitStatus()
atexit.register(_status.leave)


SLOW = {
    "activations",
    "attention",
    "contracts",
    "dataset",
    "flows",
    "models",
    "redraw",
    "reference",
    "report",
    "warehouse",
}
"""Rooms whose tests run models and servers, or write whole data sets and pages."""

SLOW_FILES = {"test_adding.py", "test_library.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what the inner loop leaves out."""
    tests = Path(__file__).parent
    for item in items:
        room = item.path.relative_to(tests).parts[0]
        if room in SLOW or item.path.name in SLOW_FILES:
            item.add_marker(pytest.mark.slow)


def pytest_sessionfinish(exitstatus: int) -> None:
    """Remember what pytest would have exited with."""
    _status.code = int(exitstatus)


@pytest.fixture(scope="session")
def inline_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that the inline runner filled with one small run of a dual encoder; not to be changed."""
    from flows.inline import InlineRunner
    from flows.running import run_plan
    from pipeline_core.planner.planning import plan_analysis
    from tests.small import picture_folder, small_config

    place = tmp_path_factory.mktemp("inline")
    config = small_config(picture_folder(place / "pictures"), "model.name=reference-contrastive", "compare_with=[]")
    run_plan("analyze", plan_analysis(config), place / "store", InlineRunner())
    return place / "store"
