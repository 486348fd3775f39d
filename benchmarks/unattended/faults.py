"""Twenty faults of a small installation, each with the check of ``refrain doctor`` that finds it.

A fault is injected for the time of a ``with`` block; at its end all is as before.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.reliability.servers import processes_with, wait_until
from benchmarks.reliability.small_project import MODEL, surroundings
from refrain.deployments import Server

HEARTBEAT_SECONDS = 5  # of the worker; it counts as gone after three of them
LOST_RUN = """
from tasks.registry.mlflow_client import client
from tasks.registry.open_runs import PROCESS
from tasks.store.leases import mine
experiment = client().search_experiments()[0].experiment_id
run = client().create_run(experiment, tags={PROCESS: mine().key})
print(mine().key, run.info.run_id)
"""
CLOSE_RUN = """
from tasks.registry.mlflow_client import client
client().set_terminated("{run}", "KILLED")
"""
MOVE_ALIAS = """
from tasks.registry.mlflow_client import client
client().{call}
"""


@dataclass(frozen=True)
class Installation:
    """A project whose ``refrain up`` runs, and a folder for what faults need."""

    project: Path
    folder: Path
    server: Server
    process: subprocess.Popen[bytes]

    @property
    def store(self) -> Path:
        """The store of the project."""
        return self.project / ".refrain"

    def programs(self, part: str) -> list[int]:
        """Find the processes of the store whose command has a part."""
        return [
            process
            for process in processes_with(f"REFRAIN_HOME={self.store}")
            if part in _command_of(process)
        ]

    def deployment(self) -> dict[str, Any]:
        """Return the deployment that retrains the project's dataset."""
        return next(each for each in self.server.deployments() if each["name"] == MODEL)

    def runs(self, code: str) -> str:
        """Run code on the store in a process that ends, and return what it prints."""
        environment = surroundings(self.project)
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command, cwd=self.project, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()


def _command_of(process: int) -> str:
    """Read the command of a process; empty if it ended meanwhile."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


@dataclass(frozen=True)
class How:
    """How ``refrain doctor`` is called under a fault: words, variables, and a command before it."""

    words: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    prefix: tuple[str, ...] = ()


USUAL = How()
Injection = Callable[[Installation], AbstractContextManager[How]]


@dataclass(frozen=True)
class Fault:
    """A fault, the check that must find it, and a part of the finding."""

    name: str
    check: str
    part: str
    inject: Injection


def other_version(name: str, version: str) -> Injection:
    """Make Python see another version of a package."""

    @contextlib.contextmanager
    def inject(at: Installation) -> Iterator[How]:
        folder = at.folder / f"{name}-site" / f"{name}-{version}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        path = os.pathsep.join([str(folder.parent), surroundings(at.project)["PYTHONPATH"]])
        yield How(variables=(("PYTHONPATH", path),))

    return inject


def log_line(log: str, line: str) -> Injection:
    """Write an error into a log, and thousands of other lines behind it."""

    @contextlib.contextmanager
    def inject(at: Installation) -> Iterator[How]:
        path = at.store / "logs" / f"{log}.log"
        before = path.stat().st_size
        with path.open("a") as file:
            file.write(line + "12:00:01.000 | INFO    | all is well\n" * 5000)
        yield USUAL
        os.truncate(path, before)

    return inject


def stopped(part: str, wait_seconds: float = 0.0) -> Injection:
    """Stop a program as a debugger or a frozen machine does: it lives and does not respond."""

    @contextlib.contextmanager
    def inject(at: Installation) -> Iterator[How]:
        processes = at.programs(part)
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        time.sleep(wait_seconds)
        try:
            yield USUAL
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)
            time.sleep(wait_seconds)

    return inject


@contextlib.contextmanager
def paused_schedule(at: Installation) -> Iterator[How]:
    """Pause a schedule, as a person does in the dashboard."""
    found = at.deployment()
    path = f"deployments/{found['id']}/schedules/{found['schedules'][0]['id']}"
    at.server.call("PATCH", path, {"active": False})
    yield USUAL
    at.server.call("PATCH", path, {"active": True})
    at.server.next_runs()  # waits until the server has scheduled it again


@contextlib.contextmanager
def paused_pool(at: Installation) -> Iterator[How]:
    """Pause the work pool."""
    at.server.call("PATCH", "work_pools/refrain", {"is_paused": True})
    yield USUAL
    at.server.call("PATCH", "work_pools/refrain", {"is_paused": False})


@contextlib.contextmanager
def lost_flow_run(at: Installation) -> Iterator[How]:
    """Leave a flow run open whose process is gone."""
    key, run = at.runs(LOST_RUN).split()
    at.runs(CLOSE_RUN.format(run=run))
    body = {
        "flow_id": at.deployment()["flow_id"],
        "state": {"type": "RUNNING"},
        "tags": [f"process-{key}"],
    }
    made = at.server.call("POST", "flow_runs/", body)
    yield USUAL
    at.server.call("DELETE", f"flow_runs/{made['id']}")


@contextlib.contextmanager
def lost_mlflow_run(at: Installation) -> Iterator[How]:
    """Leave an MLflow run open whose process is gone."""
    _, run = at.runs(LOST_RUN).split()
    yield USUAL
    at.runs(CLOSE_RUN.format(run=run))


@contextlib.contextmanager
def late_run(at: Installation) -> Iterator[How]:
    """Leave a flow run behind that should have started twenty minutes ago."""
    with stopped("worker start")(at):
        late = (datetime.now(UTC) - timedelta(minutes=20)).isoformat()
        state = {"type": "SCHEDULED", "name": "Late", "state_details": {"scheduled_time": late}}
        path = f"deployments/{at.deployment()['id']}/create_flow_run"
        made = at.server.call("POST", path, {"state": state})
        yield USUAL
        at.server.call("DELETE", f"flow_runs/{made['id']}")


def changed_file(pattern: str) -> Injection:
    """Flip a bit in the middle of a file of the store."""

    @contextlib.contextmanager
    def inject(at: Installation) -> Iterator[How]:
        path = next(path for path in sorted(at.store.glob(pattern)) if path.is_file())
        before = path.read_bytes()
        middle = len(before) // 2
        path.write_bytes(before[:middle] + bytes([before[middle] ^ 1]) + before[middle + 1 :])
        yield USUAL
        path.write_bytes(before)

    return inject


@contextlib.contextmanager
def moved_alias(at: Installation) -> Iterator[How]:
    """Remove the champion's alias in MLflow, as a person does by hand."""
    name = json.dumps(MODEL)
    at.runs(MOVE_ALIAS.format(call=f"delete_registered_model_alias({name}, 'champion')"))
    yield USUAL
    at.runs(MOVE_ALIAS.format(call=f"set_registered_model_alias({name}, 'champion', '1')"))


@contextlib.contextmanager
def clock_set_back(at: Installation) -> Iterator[How]:
    """Date a decision two hours ahead, as if the clock had been set back since."""
    path = sorted((at.store / "ledger").glob("*/*.json"))[0]
    before = path.stat().st_mtime
    os.utime(path, (time.time() + 7200, time.time() + 7200))
    yield USUAL
    os.utime(path, (before, before))


@contextlib.contextmanager
def small_disk(at: Installation) -> Iterator[How]:
    """Put the store on a file system of 64 MB, in a name space of its own."""
    mount = at.folder / "small"
    mount.mkdir()
    script = f'mount -t tmpfs -o size=64m tmpfs {mount} && exec "$0" "$@"'
    prefix = ("unshare", "--mount", "--map-root-user", "sh", "-c", script)
    yield How(variables=(("REFRAIN_HOME", str(mount)),), prefix=prefix)


@contextlib.contextmanager
def used_port(at: Installation) -> Iterator[How]:
    """Hold the port of the Prefect dashboard of a store whose ``refrain up`` does not run."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # somebody holds it already
            other.bind(("127.0.0.1", 4200))
            other.listen()
        yield How(variables=(("REFRAIN_HOME", str(at.folder / "other")),))


@contextlib.contextmanager
def killed_up(at: Installation) -> Iterator[How]:
    """Kill ``refrain up``; nothing starts it again, so this is the last fault."""
    at.process.kill()
    at.process.wait()
    wait_until(lambda: not at.programs("prefect_server"), "the end of the servers")
    yield USUAL


ERROR = "12:00:00.000 | ERROR   | prefect.server.services.scheduler - Unexpected error\n"
TRACE = "Traceback (most recent call last):\n"
FAULTS = (
    Fault("newer fastapi", "packages", "fastapi is 0.152.0", other_version("fastapi", "0.152.0")),
    Fault("newer SQLAlchemy", "packages", "fires", other_version("sqlalchemy", "2.1.0")),
    Fault("scheduler fails", "logs", "services.scheduler", log_line("prefect-server", ERROR)),
    Fault("MLflow fails", "logs", "Traceback", log_line("mlflow-server", TRACE)),
    Fault("paused schedule", "schedules", "nightly of reviews is paused", paused_schedule),
    Fault("paused work pool", "worker", "pool refrain is paused", paused_pool),
    Fault("worker hangs", "worker", "no worker", stopped("worker start", 4.0 * HEARTBEAT_SECONDS)),
    Fault("Prefect hangs", "servers", "the Prefect server at", stopped("prefect_server")),
    Fault("MLflow hangs", "servers", "the MLflow server at", stopped("mlflow.server")),
    Fault("stale flow run", "stale runs", "open in Prefect", lost_flow_run),
    Fault("stale MLflow run", "stale runs", "open in MLflow", lost_mlflow_run),
    Fault("late run", "late runs", "are late", late_run),
    Fault("damaged scores", "artifacts", "scores", changed_file("scores/*/statistics.npz")),
    Fault("damaged ledger", "artifacts", "ledger", changed_file("ledger/*/*.json")),
    Fault(
        "damaged version", "artifacts", "version 1", changed_file("mlartifacts/**/*.safetensors")
    ),
    Fault("moved alias", "aliases", "nobody is champion", moved_alias),
    Fault("clock set back", "clock", "after this machine's clock", clock_set_back),
    Fault("small disk", "disk", "GB left", small_disk),
    Fault("used port", "ports", "port 4200", used_port),
    Fault("killed up", "servers", "was killed", killed_up),
)
