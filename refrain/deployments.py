"""Deployments of ``prefect.yaml`` on a running server: applied, paused or missed.

Pauses are kept, and missed slots become one flow run: Prefect keeps the flow runs that it had
scheduled in advance, and after days without ``refrain up`` its worker would start all that passed,
one after the other, on the same rows.
"""

import base64
import contextlib
import json
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from refrain.prefect_lists import POOL, read_list
from tasks.pages.deployment import deployment_text
from tasks.store.installation import DEPLOYMENTS, ROOT, project

PATH_PARAMETERS = ("catalog", "source", "target", "predictions")
NEXT_RUNS_SECONDS = 30.0  # the server schedules runs a few seconds after a deployment was applied
# Seconds before a request is repeated: on a busy machine SQLite is locked for a moment.
WAITS = (0.5, 1.0, 2.0)
PATIENCE_SECONDS = 300.0  # for one response; on a busy machine the database waits for locks


@dataclass(frozen=True)
class Server:
    """The part of a Prefect server's API that handles deployments and their schedules."""

    api: str
    auth: str = field(default="", repr=False)  # user:password

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a request and return its response."""
        headers = {"Content-Type": "application/json", "Authorization": basic(self.auth)}
        if method != "GET":
            client = uuid.uuid4().hex
            token = self.call("GET", f"csrf-token?client={client}")["token"]
            headers |= {"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": client}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.api}/{path}", data, headers, method=method)
        for seconds in WAITS:
            try:
                return _response(request)
            except urllib.error.HTTPError as error:
                if error.code < 500:
                    raise
                time.sleep(seconds)
        return _response(request)

    def deployments(self) -> list[dict[str, Any]]:
        """List all deployments with their schedules."""
        return read_list(self.call, "deployments/filter")

    def automations(self) -> list[dict[str, Any]]:
        """List all automations, such as the triggers of deployments."""
        return read_list(self.call, "automations/filter")

    def name_schedules(self) -> None:
        """Give a slug to each schedule without one, such as a schedule added in the dashboard.

        If one schedule of a deployment has no slug, Prefect replaces all of
        them, and switches them on.
        """
        for deployment in self.deployments():
            for schedule in deployment["schedules"]:
                if not schedule["slug"]:
                    path = f"deployments/{deployment['id']}/schedules/{schedule['id']}"
                    kept = {
                        key: schedule[key]
                        for key in ("active", "schedule", "parameters", "max_scheduled_runs")
                    }
                    self.call("PATCH", path, kept | {"slug": f"dashboard-{schedule['id'][:8]}"})

    @contextlib.contextmanager
    def pauses_kept(self) -> Iterator[None]:
        """Keep pauses of deployments and triggers while they are applied again.

        Prefect itself keeps only the pauses of schedules with a slug.
        """
        self.name_schedules()
        paused = [deployment["id"] for deployment in self.deployments() if deployment["paused"]]
        disabled = {each["name"] for each in self.automations() if not each["enabled"]}
        yield
        for deployment in paused:
            self.call("PATCH", f"deployments/{deployment}", {"paused": True})
        for automation in self.automations():  # Prefect makes those of deployments again
            if automation["name"] in disabled and automation["enabled"]:
                self.call("PATCH", f"automations/{automation['id']}", {"enabled": False})

    def link_pages(self, prefect: str, mlflow: str) -> None:
        """Complete the description of each retraining with links to its pages."""
        for deployment in self.deployments():
            dataset = deployment["parameters"].get("dataset")
            before = deployment["description"] or ""
            if dataset:
                text = deployment_text(before, dataset, prefect=prefect, mlflow=mlflow)
                path = f"deployments/{deployment['id']}"
                self.call("PATCH", path, {"description": text})

    def paused(self) -> Iterator[str]:
        """Describe each paused deployment and schedule in a line."""
        for deployment in self.deployments():
            if deployment["paused"]:
                yield f"{deployment['name']}: the deployment is paused"
            for schedule in deployment["schedules"]:
                if not schedule["active"]:
                    name = schedule["slug"] or schedule["id"]
                    yield f"{deployment['name']}: schedule {name} is paused"

    def next_runs(self) -> dict[str, str]:
        """Find the next scheduled run of each deployment that has an active schedule.

        It waits until the server has scheduled them.
        """
        scheduled = {
            deployment["id"]: deployment["name"]
            for deployment in self.deployments()
            if not deployment["paused"]
            and any(schedule["active"] for schedule in deployment["schedules"])
        }
        found: dict[str, str] = {}
        deadline = time.monotonic() + NEXT_RUNS_SECONDS
        while len(found) < len(scheduled) and time.monotonic() < deadline:
            found |= {
                key: start
                for key in scheduled.keys() - found.keys()
                if (start := self._next_run(key))
            }
            if len(found) < len(scheduled):
                time.sleep(0.5)
        return {name: found.get(key, "") for key, name in scheduled.items()}

    def _next_run(self, deployment: str) -> str:
        body = {
            "sort": "EXPECTED_START_TIME_ASC",
            "limit": 1,
            "flow_runs": {
                "deployment_id": {"any_": [deployment]},
                "state": {"type": {"any_": ["SCHEDULED"]}},
            },
        }
        runs = self.call("POST", "flow_runs/filter", body)
        return runs[0]["expected_start_time"] if runs else ""


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
    body = {"sort": "EXPECTED_START_TIME_ASC", "flow_runs": chosen}
    missed: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run in read_list(server.call, "flow_runs/filter", body):
        if run["auto_scheduled"]:  # what a person started by hand is kept
            key = (run["deployment_id"], str(run["parameters"].get("dataset")))
            missed.setdefault(key, []).append(run)
    return missed


def basic(auth: str) -> str:
    """Return the header ``Authorization`` of a user and password, ``user:password``."""
    return f"Basic {base64.b64encode(auth.encode()).decode()}"


def _response(request: urllib.request.Request) -> Any:
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
        text = response.read()
    return json.loads(text) if text else None


def deployments_file() -> Path:
    """``prefect.yaml`` of the project, else the one that comes with Refrain."""
    own = project() / DEPLOYMENTS
    return own if own.is_file() else ROOT / DEPLOYMENTS


def deployed_paths() -> list[Path]:
    """List the catalogs, sources and targets that the parameters in ``prefect.yaml`` name."""
    entries = yaml.safe_load(deployments_file().read_text(encoding="utf-8"))["deployments"]
    given = [entry.get("parameters", {}) for entry in entries]
    named = [each[name] for each in given for name in PATH_PARAMETERS if each.get(name)]
    texts = [text for each in named for text in (each if isinstance(each, list) else [each])]
    return [Path(text) for text in texts if "://" not in text]


def deploy(prefect: Sequence[str], environment: Mapping[str, str]) -> None:
    """Create the work pool and apply every deployment of ``prefect.yaml``.

    Raises:
        ValueError: If Prefect fails; with the end of its output.
    """
    commands = (
        ["work-pool", "create", POOL, "--type", "process", "--overwrite"],
        ["--no-prompt", "deploy", "--all", "--prefect-file", str(deployments_file())],
    )
    for command in commands:
        done = subprocess.run(
            [*prefect, *command],
            cwd=project(),
            env={**environment, "PYTHONSAFEPATH": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ValueError(
                f"prefect {' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
