"""The project of the month, its ``refrain up``, and schedules that are sped up."""

import contextlib
import signal
import subprocess
import time
import urllib.error
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from benchmarks.reliability.servers import wait_until
from benchmarks.reliability.small_project import command, surroundings
from benchmarks.unattended.faults import Installation
from benchmarks.unattended.month.deliveries import sentences, write_vectors
from benchmarks.unattended.month.disturbances import DATASET, MONITOR
from refrain.deployments import Server
from refrain.services import free_port
from tasks.store.tied_process import tied

MONITOR_SHARE = 0.42  # of a slot, that the monitor comes before the retraining
DELIVERY_SHARE = 0.46
SAME_SLOT_SHARE = 0.7
AWAY_SECONDS = 120.0
# Prefect looks at changed schedules once a minute, and the first monitor is due before.
OFTEN = {"PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5"}
SETTINGS: dict[str, dict[str, Any]] = {
    "tokens": {"vectors_limit": 0},
    "training": {
        "embedding_size": 100,
        "hidden_size": 48,
        "max_epochs": 8,
        "learning_rate": 3e-3,
        "dropout": 0.3,
        "token_dropout": 0.1,
        "tune_vectors": False,
        "save_seconds": 2.0,
    },
}
NIGHTLY: dict[str, Any] = {"slug": "nightly", "cron": "0 2 * * *", "timezone": "UTC"}
POOL = {"name": "refrain"}
ONE_AT_A_TIME = {"limit": 1, "collision_strategy": "ENQUEUE"}


@dataclass(frozen=True)
class Calendar:
    """The times of the nights; a retraining comes at the time of its night."""

    first: datetime
    slot_seconds: float

    def at(self, night: int) -> datetime:
        """Return the time of a night, which are counted from 1."""
        return self.first + timedelta(seconds=(night - 1) * self.slot_seconds)

    def delivery(self, night: int) -> datetime:
        """Return the time of the delivery before a night."""
        return self.at(night) - timedelta(seconds=DELIVERY_SHARE * self.slot_seconds)

    def monitor(self, night: int) -> datetime:
        """Return the time of the monitor before a night."""
        return self.at(night) - timedelta(seconds=MONITOR_SHARE * self.slot_seconds)


class PatientServer(Server):
    """The API of a server that is killed and starts again."""

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a request, and repeat it while the server is away."""
        deadline = time.monotonic() + AWAY_SECONDS
        while True:
            try:
                return super().call(method, path, body)
            except urllib.error.HTTPError:
                raise
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)


def write_project(project: Path, slot_seconds: float) -> None:
    """Write the catalog, the deployments and the word vectors of the project."""
    (project / "rows").mkdir(parents=True)
    vectors = project / "vectors.txt"
    write_vectors(vectors, sentences("train"))
    settings = {**SETTINGS, "tokens": SETTINGS["tokens"] | {"vectors": str(vectors)}}
    entry = {
        "problem": "sentiment",
        "language": "en",
        "licence": "research only",
        "origin": "SST-2 and IMDB",
        "tokenizer": "words",
        "source": {"kind": "files", "paths": {"all": "rows/*.csv"}},
        "format": {"kind": "csv"},
        "columns": {"text": "text", "label": "label"},
        "labels": {"0": "neg", "1": "pos"},
        "splits": {"validation": 0.1, "test": 0.2},
        "checks": {"slot_minutes": SAME_SLOT_SHARE * slot_seconds / 60},
        "settings": settings,
    }
    (project / "catalog.yaml").write_text(yaml.safe_dump({DATASET: entry}))
    (project / "prefect.yaml").write_text(yaml.safe_dump(deployments()))


def deployments() -> dict[str, object]:
    """Make the deployments as those of ``refrain init``, but triggered by drift alone."""
    trigger = {
        "name": f"retrain-{DATASET}",
        "type": "event",
        "expect": ["refrain.drifted"],
        "match": {"prefect.resource.id": f"refrain.dataset.{DATASET}"},
    }
    shared = {"parameters": {"dataset": DATASET}, "schedules": [NIGHTLY]}
    entries: list[dict[str, Any]] = [
        {
            "name": DATASET,
            "entrypoint": "flows.retrain.retrain",
            "triggers": [trigger],
            **shared,
        },
        {"name": MONITOR, "entrypoint": "flows.monitor.monitor", **shared},
        {"name": "rollback", "entrypoint": "flows.rollback.rollback"},
        {"name": "reconcile", "entrypoint": "flows.reconcile.reconcile"},
    ]
    common: dict[str, Any] = {"work_pool": POOL, "concurrency_limit": ONE_AT_A_TIME}
    return {"name": "month", "deployments": [entry | common for entry in entries]}


@contextlib.contextmanager
def started(folder: Path, slot_seconds: float) -> Iterator[Installation]:
    """Make the project in a folder, and run its ``refrain up``."""
    project = folder / "project"
    write_project(project, slot_seconds)
    ports = (free_port(), free_port())
    words = ("up", "--prefect-port", str(ports[0]), "--mlflow-port", str(ports[1]))
    screen = folder / "screen"
    with screen.open("wb") as file:
        process = subprocess.Popen(
            tied(command(*words)),
            cwd=project,
            env=surroundings(project, **OFTEN),
            stdout=file,
            stderr=file,
        )
    try:
        wait_until(lambda: "Ctrl-C stops" in screen.read_text() or process.poll(), "the start")
        if process.poll() is not None:
            raise SystemExit(screen.read_text())
        kept = (project / ".refrain/up.env").read_text()
        auth = kept.partition("export PREFECT_API_AUTH_STRING=")[2].split()[0]
        server = PatientServer(f"http://127.0.0.1:{ports[0]}/api", auth)
        yield Installation(project, folder, server, process)
    finally:
        print(f"-- refrain up printed:\n{screen.read_text()}", flush=True)
        process.send_signal(signal.SIGINT)
        process.wait(60)


def speed_up(at: Installation, calendar: Calendar) -> None:
    """Give the nightly schedules the interval of the sped-up month."""
    for name, first in ((DATASET, calendar.at(1)), (MONITOR, calendar.monitor(1))):
        every = {
            "interval": calendar.slot_seconds,
            "anchor_date": first.isoformat(),
            "timezone": "UTC",
        }
        _change_schedule(at, name, {"schedule": every, "active": True})


def stop_schedules(at: Installation) -> None:
    """Pause both schedules at the end of the month."""
    for name in (DATASET, MONITOR):
        _change_schedule(at, name, {"active": False})


def _change_schedule(at: Installation, name: str, change: dict[str, object]) -> None:
    found = next(each for each in at.server.deployments() if each["name"] == name)
    path = f"deployments/{found['id']}/schedules/{found['schedules'][0]['id']}"
    at.server.call("PATCH", path, change)
