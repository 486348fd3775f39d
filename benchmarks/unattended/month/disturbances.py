"""What goes wrong on a night of the month: kills, a full disk, and a person who rolls back.

A disturbance begins when the retraining of its slot is due, and ends before the next monitor.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.unattended.faults import Installation

DATASET = "reviews"
MONITOR = f"monitor-{DATASET}"
LEFT_BYTES = 3 * 2**20  # enough for the rows of databases, too few for a checkpoint
FULL_SHARE = 0.5  # of a slot, after which a disturbance is over
WHY = "the labels of a delivery were swapped"
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@dataclass(frozen=True)
class Night:
    """The time of a slot's retraining, and the seconds between two of them."""

    number: int
    at: datetime
    slot_seconds: float

    @property
    def seconds_left(self) -> float:
        """Seconds until the disturbance has to be over."""
        passed = time.time() - self.at.timestamp()
        return FULL_SHARE * self.slot_seconds - passed


Disturbance = Callable[[Installation, Night], None]


def nothing(at: Installation, night: Night) -> None:
    """Let a night pass."""


def kill(part: str, at: Installation, night: Night) -> None:
    """Kill a server within the training."""
    wait_for_training(at, night)
    for process in at.programs(part):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def kill_worker(at: Installation, night: Night) -> None:
    """Kill the worker within the training."""
    kill("worker start", at, night)


def fill_disk(at: Installation, night: Night) -> None:
    """Fill the disk of the store from before the retraining until after it."""
    with full(at.project, LEFT_BYTES):
        run = wait_for(lambda: run_of(at, DATASET, night), night, "the retraining")
        wait_for(lambda: state_of(at, run) in ENDED, night, "its end")


def roll_back(at: Installation, night: Night) -> None:
    """Wait for the triggered promotion, and restore the champion as a person in the dashboard."""
    since = night.at - timedelta(seconds=night.slot_seconds / 2)
    chosen = {
        "deployments": {"name": {"any_": [DATASET]}},
        "flow_runs": {
            "state": {"name": {"any_": ["Promoted"]}},
            "expected_start_time": {"after_": since.isoformat()},
        },
    }

    def promoted() -> Any:
        return at.server.call("POST", "flow_runs/filter", chosen)

    if wait_for(promoted, night, "the promotion"):
        found = next(each for each in at.server.deployments() if each["name"] == "rollback")
        body = {"parameters": {"model": DATASET, "why": WHY}}
        at.server.call("POST", f"deployments/{found['id']}/create_flow_run", body)


@contextlib.contextmanager
def full(folder: Path, left: int) -> Iterator[None]:
    """Fill the file system of a folder but for some bytes."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(65536))
        except OSError:
            file.truncate(max(0, file.tell() - left))
    try:
        yield
    finally:
        filler.unlink()


def wait_for(condition: Callable[[], Any], night: Night, what: str) -> Any:
    """Wait for a result that is not empty, until the time of the disturbance is over."""
    found = condition()
    while not found and night.seconds_left > 0:
        time.sleep(0.2)
        found = condition()
    if not found:
        print(f"night {night.number}: {what} did not come in time", flush=True)
    return found


def wait_for_training(at: Installation, night: Night) -> None:
    """Wait until the retraining of a night trains."""
    run = wait_for(lambda: run_of(at, DATASET, night), night, "the retraining")
    chosen = {
        "flow_runs": {"id": {"any_": [run]}},
        "task_runs": {"name": {"like_": "train-"}, "state": {"type": {"any_": ["RUNNING"]}}},
    }
    wait_for(lambda: at.server.call("POST", "task_runs/filter", chosen), night, "the training")


def run_of(at: Installation, deployment: str, night: Night) -> str:
    """Find the scheduled flow run of a deployment and a night; empty if there is none."""
    found = at.server.call(
        "POST",
        "flow_runs/filter",
        {
            "deployments": {"name": {"any_": [deployment]}},
            "flow_runs": {"expected_start_time": {"after_": night.at.isoformat()}},
            "sort": "EXPECTED_START_TIME_ASC",
            "limit": 20,
        },
    )
    return next((str(run["id"]) for run in found if run["auto_scheduled"]), "")


def state_of(at: Installation, run: str) -> str:
    """Return the state of a flow run; empty if there is none."""
    return str(at.server.call("GET", f"flow_runs/{run}")["state_type"]) if run else ""
