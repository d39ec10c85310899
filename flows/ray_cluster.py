"""A Ray cluster for the tasks of a run: the one at an address, or one of worker processes on this machine."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from flows import environment
from pipeline_core.errors import ConfigError, reason_of
from pipeline_core.placement import Placement
from pipeline_core.planner.plan import Step

if TYPE_CHECKING:
    from prefect.task_runners import TaskRunner

_OBJECTS = 80 << 20
"""Bytes of a local cluster's store of objects, about the least that Ray takes: tasks exchange references alone."""


def check_ray() -> None:
    """See that Ray is installed.

    Raises:
        ConfigError: it is not.
    """
    if find_spec("prefect_ray") is None:
        raise ConfigError(
            "the runner ray needs Ray, which is not installed",
            "pip install -c requirements/constraints.txt -e '.[ray]' installs it; --runner prefect does without",
        )


@contextmanager
def ray_cluster(placement: Placement) -> Iterator["TaskRunner[Any]"]:
    """Join the cluster of a placement, or start one on this machine and end it afterwards.

    Raises:
        ConfigError: Ray is not installed, or there is no such cluster.
    """
    check_ray()
    from prefect.server.api.server import SubprocessASGIServer  # noqa: PLC0415 - heavy
    from prefect.settings import PREFECT_API_URL, temporary_settings  # noqa: PLC0415 - heavy
    from prefect_ray import RayTaskRunner  # noqa: PLC0415 - an extra

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "WARNING"}
    if placement.ray_address is None:
        options |= {"address": "local", "include_dashboard": False, "object_store_memory": _OBJECTS}
        options["num_cpus"] = placement.workers * placement.task_cpus
    else:
        options |= {"address": placement.ray_address, "runtime_env": {"env_vars": environment.settings()}}
    # Workers know a temporary server by its address alone, and would start one each.
    url = PREFECT_API_URL.value() or SubprocessASGIServer().api_url
    runner: TaskRunner[Any] = RayTaskRunner(init_kwargs=options)
    with temporary_settings({PREFECT_API_URL: url}):
        try:
            runner.__enter__()
        except (ConnectionError, ValueError, RuntimeError) as error:
            problem = f"there is no Ray cluster at {placement.ray_address or 'this machine'}: {reason_of(error)}"
            raise ConfigError(problem, "see ray status, and set placement.ray_address") from error
        try:
            yield runner
        finally:
            runner.__exit__(None, None, None)


def asking(step: Step) -> AbstractContextManager[None]:
    """Return the context in which a step, or a part of it, is submitted: it asks for what its placement says.

    Processes are kept from task to task, also with a GPU: each has loaded what the next part needs.
    """
    from prefect_ray.context import remote_options  # noqa: PLC0415 - an extra

    placement = step.subject.placement
    gpus = placement.task_gpus if step.maker.on_device else 0
    options: AbstractContextManager[None] = remote_options(num_cpus=placement.task_cpus, num_gpus=gpus, max_calls=0)
    return options
