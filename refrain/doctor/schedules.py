"""The schedules: whether they will fire, which are paused, and flow runs that did not start."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import yaml

from refrain.doctor.finding import ERROR, WARNING, Finding
from refrain.doctor.services import RESTART
from refrain.doctor.surroundings import Surroundings
from refrain.prefect_lists import POOL
from tasks.ingestion.catalogs import catalog_paths
from tasks.ingestion.dataset_list import check_datasets
from tasks.store.home import home

NUM_NEXT = 5
LATE_SECONDS = 300.0
LATE = {"name": {"any_": ["Late"]}, "type": {"any_": ["SCHEDULED"]}}


def next_runs(seen: Surroundings) -> list[dict[str, str]]:
    """List the next five flow runs of all schedules, with time and deployment."""
    if not seen.api or seen.prefect_fault:
        return []
    names = {each["id"]: each["name"] for each in seen.deployments}
    now = datetime.now(UTC).isoformat()
    body = {
        "sort": "EXPECTED_START_TIME_ASC",
        "limit": NUM_NEXT,
        "flow_runs": {
            "state": {"type": {"any_": ["SCHEDULED"]}},
            "expected_start_time": {"after_": now},
        },
    }
    runs = seen.call("POST", "/flow_runs/filter", body)
    return [
        {"time": run["expected_start_time"], "deployment": names.get(run["deployment_id"], "-")}
        for run in runs
    ]


def check_schedules(seen: Surroundings) -> Iterator[Finding]:
    """Check each deployment: it is applied, not paused, and has a next flow run and a dataset."""
    if not seen.api or seen.prefect_fault:
        return
    yield from _missing(seen)
    for deployment in seen.deployments:
        name = deployment["name"]
        if deployment["paused"]:
            text = f"the deployment {name} is paused: its schedules do not fire"
            yield Finding(WARNING, text, "switch it on in the dashboard, on its page")
            continue
        for schedule in deployment["schedules"]:
            if not schedule["active"]:
                shown = schedule["slug"] or schedule["id"]
                text = f"the schedule {shown} of {name} is paused"
                yield Finding(WARNING, text, f"switch it on in the dashboard, on {name}'s page")
        if any(schedule["active"] for schedule in deployment["schedules"]):
            yield from _next_fault(seen, deployment)
            yield from _dataset_fault(deployment)


def _missing(seen: Surroundings) -> Iterator[Finding]:
    """Find deployments of ``prefect.yaml`` that the server of ``refrain up`` does not have."""
    from refrain.deployments import deployments_file

    if seen.up.is_running:
        path = deployments_file()
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))["deployments"]
        known = {each["name"] for each in seen.deployments}
        for name in [entry["name"] for entry in entries if entry["name"] not in known]:
            text = f"the deployment {name} of {path} is not on the server"
            yield Finding(WARNING, text, RESTART)


def _next_fault(seen: Surroundings, deployment: dict[str, Any]) -> Iterator[Finding]:
    """Find an active schedule without a next flow run: the server's scheduler does not work."""
    body = {
        "limit": 1,
        "flow_runs": {
            "deployment_id": {"any_": [deployment["id"]]},
            "state": {"type": {"any_": ["SCHEDULED"]}},
        },
    }
    if not seen.call("POST", "/flow_runs/filter", body):
        text = f"the server has scheduled no flow run of {deployment['name']}: it will not fire"
        log = home() / "logs" / "prefect-server.log"
        yield Finding(
            ERROR, text, f"read {log} for errors of the scheduler, then {RESTART}; see `packages`"
        )


def _dataset_fault(deployment: dict[str, Any]) -> Iterator[Finding]:
    """Find a schedule of a dataset that no catalog has."""
    given = deployment["parameters"]
    if not isinstance(given.get("dataset"), str):
        return
    try:
        catalog_paths(given.get("catalog"))
        check_datasets([given["dataset"]], given.get("catalog"))
    except (ValueError, OSError) as error:
        text = f"every flow run of {deployment['name']} will fail: {error}"
        own = os.environ.get("REFRAIN_CATALOG")
        hint = "" if own else ", or set REFRAIN_CATALOG as for `refrain up`"
        yield Finding(ERROR, text, f"add the dataset to a catalog{hint}")


def check_late_runs(seen: Surroundings) -> Iterator[Finding]:
    """Find flow runs that should have started and that no worker took."""
    if not seen.api or seen.prefect_fault:
        return
    now = datetime.now(UTC)
    late = [
        run
        for run in seen.listed("/flow_runs/filter", {"flow_runs": {"state": LATE}})
        if (now - datetime.fromisoformat(run["expected_start_time"])).total_seconds() > LATE_SECONDS
    ]
    if late:
        since = min(run["expected_start_time"] for run in late)
        text = f"{len(late)} flow runs are late, the first since {since[:16].replace('T', ' ')} UTC"
        remedy = f"check the work pool {POOL} and its worker; {RESTART} keeps one for each dataset"
        yield Finding(ERROR, text, remedy)
