"""What can be told of a Ray cluster without one."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows import ray_cluster
from flows.cli import app
from pipeline_core.errors import ConfigError
from pipeline_core.placement import Placement
from tests.small import picture_folder


def test_without_ray_one_line_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: None)
    pictures = picture_folder(tmp_path / "pictures", 6)
    asked = ["run", "--runner", "ray", "--set", "dataset.name=folder", "--set", f"dataset.path={pictures}"]
    done = CliRunner().invoke(app, [*asked, "--store", str(tmp_path / "store")])
    assert isinstance(done.exception, ConfigError)
    assert r"""needs Ray, which is not installed; pip install -c requirements/constraints.txt -e '.[ray]'""" in str(
        done.exception
    )
    assert not list((tmp_path / "store").iterdir())


@pytest.mark.parametrize(
    ("placement", "cpus", "gpus"),
    [
        (Placement(), 2.0, 0.0),
        (Placement(device="cuda", threads=3), 3.0, 1.0),
        (Placement(device="cuda", num_cpus=0.5, num_gpus=0.25), 0.5, 0.25),
    ],
)
def test_a_task_asks_for_its_threads_and_a_device(placement: Placement, cpus: float, gpus: float) -> None:
    assert (placement.task_cpus, placement.task_gpus) == (cpus, gpus)
