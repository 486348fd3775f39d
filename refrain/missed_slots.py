"""Slots of schedules that passed while ``refrain up`` was down: one flow run for all of them.

Prefect keeps the flow runs that it had scheduled in advance, and its worker would start them all,
one after the other, each on the same rows.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from refrain.deployments import Server

PAGE = 200


def collapse_missed(server: Server) -> Iterator[str]:
    """Cancel the missed flow runs of each dataset but the last; call it before a worker starts.

    Yields:
        A line for each deployment with missed slots.
    """
    for runs in _missed(server).values():
        *earlier, last = runs
        for run in earlier:
            state = {
                "type": "CANCELLED",
                "name": "Missed",
                "message": f"refrain up was down; {last['name']} stands for all missed slots",
            }
            server.call("POST", f"flow_runs/{run['id']}/set_state", {"state": state, "force": True})
        since = runs[0]["expected_start_time"][:16].replace("T", " ")
        dataset = last["parameters"].get("dataset", last["name"])
        slots = "1 slot" if len(runs) == 1 else f"{len(runs)} slots"
        yield f"{dataset}: {slots} since {since} UTC, one flow run starts now"


def _missed(server: Server) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Find the scheduled flow runs of the past, the oldest first, by deployment and dataset."""
    chosen = {
        "state": {"type": {"any_": ["SCHEDULED"]}, "name": {"any_": ["Scheduled", "Late"]}},
        "expected_start_time": {"before_": datetime.now(UTC).isoformat()},
    }
    body = {"sort": "EXPECTED_START_TIME_ASC", "limit": PAGE, "flow_runs": chosen}
    found: list[dict[str, Any]] = []
    while True:
        page = server.call("POST", "flow_runs/filter", body | {"offset": len(found)})
        found += page
        if len(page) < PAGE:
            break
    missed: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run in found:
        if run["auto_scheduled"]:  # what a person started by hand is kept
            key = (run["deployment_id"], str(run["parameters"].get("dataset")))
            missed.setdefault(key, []).append(run)
    return missed
