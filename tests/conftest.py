"""What every test shares: a quiet environment before any library is imported, and a quiet end."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import hypothesis
import pytest

from flows import environment
from flows.exits import ExitStatus
from pipeline_core.user_cache import user_cache

environment.prepare()
if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the cores: threads of one that wait for those of another spin, and cost ten times what they save.
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
# A busy machine is slow, not wrong.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")
_status = ExitStatus()
atexit.register(_status.leave)
if "PYTEST_XDIST_WORKER" not in os.environ:
    # Tests have a cache of their own, which their workers and processes share.
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="retrieval-lens-cache-")
    atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)


SLOW = {
    "activations",
    "app",
    "attention",
    "contracts",
    "dataset",
    "exports",
    "flows",
    "models",
    "redraw",
    "reference",
    "report",
    "warehouse",
}
"""Rooms whose tests run models and servers, or write whole data sets and pages."""

SLOW_FILES = {"test_adding.py", "test_estimates.py", "test_library.py"}


def pytest_configure(config: pytest.Config) -> None:
    """Keep assembled reference models from one run of tests to the next: their folders are content-addressed."""
    models = user_cache("models")
    if not models.exists():
        models.parent.mkdir(parents=True, exist_ok=True)
        models.symlink_to(config.cache.mkdir("reference-models"))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave rooms whose tests are all slow unread where no slow test is asked for: others need not import so much."""
    if "not slow" not in config.option.markexpr:
        return None
    room = collection_path.relative_to(config.rootpath).parts[1:2]
    return True if {*room} & (SLOW | {"browser", "independent", "long"}) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what the inner loop leaves out, and have the longest of what workers share begun before they want it."""
    tests = Path(__file__).parent
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: item.path != tests / "flows" / "test_cli.py")
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
    from tests.shared import filled_once, own_copy
    from tests.small import picture_folder, small_config

    pictures = filled_once(tmp_path_factory, "pictures", picture_folder)
    config = small_config(pictures, "model.name=reference-contrastive", "compare_with=[]")

    def fill(store: Path) -> None:
        run_plan("analyze", plan_analysis(config), store, InlineRunner())

    return own_copy(tmp_path_factory, filled_once(tmp_path_factory, "inline", fill))
