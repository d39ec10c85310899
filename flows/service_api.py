"""What the service's server is told over its API: the pool, deployments that are gone, lost heartbeats; and asked."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml

from pipeline_core.errors import ServiceError

POOL = "lens"

HEARTBEAT = 30
"""Seconds between the signs of life of a flow; Prefect allows no fewer."""

ROOT = Path(__file__).resolve().parents[1]
PREFECT_YAML = ROOT / "prefect.yaml"

Tell = Callable[[str], None]


def own_pool(api: httpx.Client, tell: Tell) -> None:
    """Make the pool, or find it as it was made.

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


def forget_others(api: httpx.Client) -> None:
    """Remove deployments of the pool that prefect.yaml names no more."""
    named = yaml.safe_load(PREFECT_YAML.read_text(encoding="utf-8"))["deployments"]
    wanted = {(one["entrypoint"].rpartition(":")[2], one["name"]) for one in named}
    flows = _flows(api)
    for known in _posted(api, "/deployments/filter", {}):
        if known["work_pool_name"] == POOL and (flows[known["flow_id"]], known["name"]) not in wanted:
            api.delete(f"/deployments/{known['id']}").raise_for_status()


LOST = "Flows without a sign of life are crashed"
"""The automation that ends a run whose process was killed together with its worker."""


def watch_heartbeats(api: httpx.Client) -> None:
    """Have the server end runs that say nothing any more."""
    silent = 3 * HEARTBEAT
    alive = "prefect.flow-run.heartbeat"
    ended = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}
    body = {
        "name": LOST,
        "description": f"A flow says every {HEARTBEAT} s that it runs. After {silent} s of silence it is crashed.",
        "trigger": {
            "type": "event",
            "posture": "Proactive",
            "after": [alive],
            "expect": sorted(ended | {alive}),
            "for_each": ["prefect.resource.id"],
            "match": {"prefect.resource.id": "prefect.flow-run.*"},
            "threshold": 1,
            "within": silent,
        },
        "actions": [
            {
                "type": "change-flow-run-state",
                "state": "CRASHED",
                "message": f"No sign of life for {silent} s: its process is gone. What it finished is in the store; "
                "retry, and it goes on from there.",
            }
        ],
    }
    for known in _posted(api, "/automations/filter", {"automations": {"name": {"any_": [LOST]}}}):
        api.delete(f"/automations/{known['id']}").raise_for_status()
    api.post("/automations/", json=body).raise_for_status()


def find_deployments(api: httpx.Client) -> list[dict[str, Any]]:
    """Return name, schedule, next and last run of each deployment."""
    flows = _flows(api)
    found = _posted(api, "/deployments/filter", {"sort": "NAME_ASC"})
    return [_told_of(api, f"{flows[one['flow_id']]}/{one['name']}", one) for one in found]


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
