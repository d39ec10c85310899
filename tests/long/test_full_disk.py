"""A disk that is full at every stage, at several sizes: one line, a whole store, and with room the run goes on.

The disk is in memory, mounted in a namespace of its own, which a kernel with user namespaces gives to anybody.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import pytest

from flows.inline import InlineRunner
from flows.running import run_plan
from pipeline_core.planner.planning import plan_sweep
from pipeline_core.store.artifacts import Store
from pipeline_core.store.diff import diff_runs
from pipeline_core.store.journal import read_runs
from pipeline_core.store.space import NoRoomError
from tests.small import picture_folder, small_config

pytestmark = pytest.mark.long

PAGE = 4096
SHARES = (0.0, 0.4)
"""Of what an artifact takes: the room that is left for building it, beside that for the record of a run."""

IN_A_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
MOUNTED = """
set -e
mount -t tmpfs -o size=1g none "$1"
exec "$2" -c 'import sys; from tests.long.test_full_disk import fill; fill(*sys.argv[1:])' "$1" "$3" "$4"
"""


def resize(disk: Path, n_bytes: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={n_bytes}", disk], check=True)


def used(disk: Path) -> int:
    return shutil.disk_usage(disk).used


def in_pages(n_bytes: float) -> int:
    """Round up to what a file takes."""
    return -int(-n_bytes // PAGE) * PAGE


def fill(mounted: str, pictures: str, undisturbed: str) -> None:
    """Build each artifact of a finished store anew, where there is little room; print what was told, a JSON a line."""
    disk, other = Path(mounted), Path(undisturbed)
    root = Path(shutil.copytree(other, disk / "store"))
    tempfile.tempdir = str(disk)
    plan = plan_sweep(small_config(Path(pictures), "model.name=reference-contrastive", "compare_with=[]"))
    store = Store(root)
    firsts = {step.stage: name for name, step in reversed(plan.steps.items())}
    for name in firsts.values():
        before = used(disk)
        shutil.rmtree(store.folder(plan.steps[name].key))
        takes = before - used(disk)
        for share in SHARES:
            record = max(path.stat().st_size for path in (root / "runs").glob("*.json"))
            resize(disk, used(disk) + in_pages(record) + PAGE + in_pages(share * takes))
            try:
                run_plan("sweep", plan, root, InlineRunner())
                told = None
            except NoRoomError as error:
                told = str(error)
            tell(root, name=name, told=told)
        resize(disk, 1 << 30)
        run_plan("sweep", plan, root, InlineRunner())
    records = [store / "runs" / f"{read_runs(store)[-1].run_id}.json" for store in (other, root)]
    tell(root, differences=[str(difference) for difference in diff_runs(root, *map(str, records))])


def tell(root: Path, **facts: object) -> None:
    states = [run.state for run in read_runs(root)]
    sys.stdout.write(json.dumps(facts | {"states": states, "problems": len(Store(root).verify())}) + "\n")


def test_a_full_disk_is_one_line_at_every_stage(tmp_path: Path) -> None:
    pictures, other, disk = picture_folder(tmp_path / "pictures"), tmp_path / "store", tmp_path / "disk"
    disk.mkdir()
    plan = plan_sweep(small_config(pictures, "model.name=reference-contrastive", "compare_with=[]"))
    run_plan("sweep", plan, other, InlineRunner())
    command = [*IN_A_NAMESPACE, "sh", "-c", MOUNTED, "sh", disk, sys.executable, pictures, other]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1700)
    assert done.returncode == 0, done.stderr
    *attempts, end = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert end["differences"] == []
    told = defaultdict(set)
    for attempt in attempts:
        assert attempt["problems"] == 0
        assert "running" not in attempt["states"]
        if attempt["told"]:
            assert "\n" not in attempt["told"]
            assert " has no room for " in attempt["told"]
            assert " are free; make room, then run again: it goes on from what is there" in attempt["told"]
            told[attempt["name"]].add(attempt["told"].partition(" has no room for ")[2].partition(",")[0])
    met = {plan.steps[name].stage for name in told if name in told[name]}
    assert met == {step.stage for step in plan.steps.values()}
