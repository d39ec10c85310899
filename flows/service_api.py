"""What the service's server is told over its API: the pool, deployments that are gone, lost heartbeats; and asked."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from pipeline_core.errors import ServiceError
from pipeline_core.program_yaml import read_program_yaml

POOL = "lens"

HEARTBEAT = 30
"""Seconds between the signs of life of a flow; Prefect allows no fewer."""

ROOT = Path(__file__).resolve().parents[1]
PREFECT_YAML = ROOT / "prefect.yaml"

Tell = Callable[[str], None]


def own_pool(api: httpx.Client, tell: Tell) -> bool:
    """Make the pool, or find it as it was made; say whether it was there.

    Raises:
        ServiceError: there is one of another type.
    """
    found = api.get(f"/work_pools/{POOL}")
    if found.status_code == httpx.codes.NOT_FOUND:
        tell(f"making the pool {POOL}: one flow at a time, others queue")
        body = {"name": POOL, "type": "process", "concurrency_limit": 1, "description": "Runs of Retrieval Lens."}
        api.post("/work_pools/", json=body).raise_for_status()
    elif (kind := found.raise_for_status().json()["type"]) != "process":
        raise ServiceError(f"the pool {POOL} is of type {kind}: it is somebody else's", "rename it in the UI")
    return found.is_success


def forget_others(api: httpx.Client) -> None:
    """Remove deployments of the pool that prefect.yaml names no more."""
    named = read_program_yaml(PREFECT_YAML.read_text(encoding="utf-8"))["deployments"]
    wanted = {(one["entrypoint"].rpartition(":")[2], one["name"]) for one in named}
    flows = _flows(api)
    for known in _posted(api, "/deployments/filter", {}):
        if known["work_pool_name"] == POOL and (flows[known["flow_id"]], known["name"]) not in wanted:
            api.delete(f"/deployments/{known['id']}").raise_for_status()


_SILENT = 3 * HEARTBEAT
_SIGNS = ("prefect.flow-run.heartbeat", "prefect.flow-run.Pending")
_WAITING = ("Scheduled", "Late", "AwaitingRetry", "AwaitingConcurrencySlot")
_ENDED = ("Completed", "Failed", "Cancelled", "Crashed")
LOST: Mapping[str, Any] = {
    "name": "Flows without a sign of life are crashed",
    "description": f"A flow says every {HEARTBEAT} s that it runs. After {_SILENT} s of silence it is crashed; "
    "so is one whose process has not begun by then.",
    "trigger": {
        "type": "event",
        "posture": "Proactive",
        "after": _SIGNS,
        "expect": [_SIGNS[0], *(f"prefect.flow-run.{state}" for state in (*_WAITING, *_ENDED))],
        "for_each": ["prefect.resource.id"],
        "match": {"prefect.resource.id": "prefect.flow-run.*"},
        "threshold": 1,
        "within": _SILENT,
    },
    "actions": [
        {
            "type": "change-flow-run-state",
            "state": "CRASHED",
            "message": f"No sign of life for {_SILENT} s: its process is gone. What it finished is in the store; "
            "retry, and it goes on from there.",
        }
    ],
}
"""The automation that ends a run whose process was killed together with its worker: begun or not, it holds a place."""


def watch_heartbeats(api: httpx.Client) -> None:
    """Have the server end runs that say nothing any more; one that does so already knows whom it heard of last."""
    found = _posted(api, "/automations/filter", {"automations": {"name": {"any_": [LOST["name"]]}}})
    if [one["description"] for one in found if _is_same(one["trigger"])] == [LOST["description"]]:
        return
    for known in found:
        api.delete(f"/automations/{known['id']}").raise_for_status()
    api.post("/automations/", json=LOST).raise_for_status()


def _is_same(trigger: Mapping[str, Any]) -> bool:
    wanted = LOST["trigger"]
    return set(trigger["after"]) == set(wanted["after"]) and set(trigger["expect"]) == set(wanted["expect"])


def find_deployments(api: httpx.Client) -> list[dict[str, Any]]:
    """Return name, schedule, next and last run of each deployment."""
    flows = _flows(api)
    found = _posted(api, "/deployments/filter", {"sort": "NAME_ASC"})
    return [_told_of(api, f"{flows[one['flow_id']]}/{one['name']}", one) for one in found]


def are_ready(api: httpx.Client) -> bool:
    """Say whether a worker has asked for runs of all the pool's deployments: the UI calls them ready only then."""
    found = [one["status"] for one in _posted(api, "/deployments/filter", {}) if one["work_pool_name"] == POOL]
    return set(found) == {"READY"}


def _told_of(api: httpx.Client, name: str, deployment: Mapping[str, Any]) -> dict[str, Any]:
    own = {"deployments": {"id": {"any_": [deployment["id"]]}}, "limit": 1}
    ahead = own | {"sort": "EXPECTED_START_TIME_ASC", "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
    begun = own | {"sort": "START_TIME_DESC", "flow_runs": {"start_time": {"is_null_": False}}}
    coming, last = (_posted(api, "/flow_runs/filter", body) for body in (ahead, begun))
    return {
        "deployment": name,
        "what": deployment["description"] or "",
        "schedule": ", ".join(one["schedule"].get("cron", "") for one in deployment["schedules"]),
        "next": coming[0]["expected_start_time"] if coming else None,
        "last": last[0]["state"]["name"] if last else None,
        "run": last[0]["name"] if last else None,
    }


def _flows(api: httpx.Client) -> dict[str, str]:
    return {flow["id"]: flow["name"] for flow in _posted(api, "/flows/filter", {})}


def _posted(api: httpx.Client, path: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.post(path, json=body).raise_for_status().json()
    return found
