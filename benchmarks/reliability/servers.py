"""Kills of a command with its engine, a worker's flow run, the worker, and both servers."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from benchmarks.reliability.remains import (
    duplicate_points,
    duplicate_versions,
    left_files,
    stale_flow_runs,
    stale_mlflow_runs,
)
from benchmarks.reliability.tiny_sets import TRAINING, dataset_of, write_sets
from refrain import prefect_server
from refrain.access import draw_auth
from refrain.deployments import Server
from refrain.prefect_lists import POOL
from refrain.services import Service, free_port, start, stop, wait_for
from refrain.up import mlflow_command, mlflow_environment
from tasks.store.installation import ROOT
from tasks.store.leases import started_of

DATASET = dataset_of("sentiment")
# Long enough to be killed within; it resumes, so kills lengthen it by little.
LONG = TRAINING | {"max_epochs": 300, "patience": 300}
SETTINGS = {"tokens": {"min_frequency": 1}, "training": LONG}
PATIENCE_SECONDS = 900.0
PREFECT = [sys.executable, "-m", "prefect"]


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: If it does not within a quarter of an hour.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.2)


def environment_of(store: Path, catalog: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Make the environment of all programs of a store."""
    return {
        **os.environ,
        "REFRAIN_HOME": str(store),
        "REFRAIN_CATALOG": str(catalog),
        "PREFECT_HOME": str(store / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PYTHONPATH": str(ROOT),
        **more,
    }


def processes_with(variable: str) -> list[int]:
    """Find the processes whose environment has a variable of a value."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if variable.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return [process for process in found if process != os.getpid() and started_of(process)]


@dataclass
class Services:
    """A Prefect server, an MLflow server and a worker of one store, each restarted at will."""

    store: Path
    catalog: Path
    ports: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))
    auth: str = field(default_factory=draw_auth, repr=False)
    running: dict[str, Service] = field(default_factory=dict)

    @property
    def api(self) -> str:
        """The address of Prefect's API."""
        return f"http://127.0.0.1:{self.ports[0]}/api"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the worker and its flow runs."""
        mlflow = f"http://127.0.0.1:{self.ports[1]}"
        guarded = prefect_server.environment(self.ports[0], self.auth)
        more = guarded | {"MLFLOW_TRACKING_URI": mlflow}
        return environment_of(self.store, self.catalog, more)

    @property
    def server(self) -> Server:
        """The part of Prefect's API that handles deployments."""
        return Server(self.api, self.auth)

    def start(self, name: str) -> None:
        """Start one of them, and wait until it responds."""
        own = {key: value for key, value in self.environment.items() if "TRACKING" not in key}
        commands = {
            "prefect": (
                prefect_server.command(self.ports[0], "warning"),
                own,
                f"{self.api}/health",
            ),
            "mlflow": (
                mlflow_command(self.ports[1]),
                own | mlflow_environment(),
                f"http://127.0.0.1:{self.ports[1]}/health",
            ),
            "worker": (
                [*PREFECT, "worker", "start", "--pool", POOL, "--type", "process"],
                self.environment,
                f"{self.api}/health",
            ),
        }
        command, environment, address = commands[name]
        self.running[name] = start(f"killed-{name}", command, environment)
        wait_for(address, self.running[name], [self.running[name]])

    def deploy(self) -> None:
        """Apply one deployment, without a schedule."""
        file = self.store / "prefect.yaml"
        entry = {
            "name": "tiny",
            "entrypoint": "flows/retrain.py:retrain",
            "work_pool": {"name": POOL},
            "parameters": {"dataset": DATASET, "settings": SETTINGS},
            "schedules": [],
        }
        file.write_text(yaml.safe_dump({"name": "tiny", "deployments": [entry]}))
        for words in (
            ["work-pool", "create", POOL, "--type", "process"],
            ["--no-prompt", "deploy", "--all", "--prefect-file", str(file)],
        ):
            command = [*PREFECT, *words]
            subprocess.run(command, cwd=ROOT, env=self.environment, check=True, capture_output=True)

    def begin(self) -> str:
        """Start a flow run, and return its id."""
        (deployment,) = self.server.deployments()
        made = self.server.call("POST", f"deployments/{deployment['id']}/create_flow_run", {})
        return str(made["id"])

    def state_of(self, run: str) -> str:
        """Return the state of a flow run."""
        found: dict[str, Any] = self.server.call("GET", f"flow_runs/{run}")
        return str(found["state_type"])


def kill_services(folder: Path, counts: Counter[str], notes: list[str]) -> None:
    """Kill programs in turn, run each retraining to its end, and count what remains."""
    catalog = write_sets(folder / "rows")
    for name, kill in (("command", kill_commands), ("services", kill_each_service)):
        store = folder / name
        store.mkdir()
        os.environ["REFRAIN_HOME"] = str(store)  # `start` writes logs there
        counts["runs"] += 1
        try:
            counts["completed"] += kill(store, catalog, counts)
        except (TimeoutError, ValueError, OSError) as error:
            notes.append(f"{name} did not end: {error}")
        for what, found in (
            ("duplicate_versions", duplicate_versions(store, DATASET)),
            ("duplicate_points", duplicate_points(store)),
            ("stale_runs", [*stale_mlflow_runs(store), *stale_flow_runs(store)]),
            ("left_files", [path for path in left_files(store) if "worker" not in path]),
        ):
            counts[what] += len(found)
            notes.extend(f"{what}: {name}: {each}" for each in found[:3])


def kill_commands(store: Path, catalog: Path, counts: Counter[str]) -> bool:
    """Kill ``refrain run`` twice within its training, then let it end."""
    environment = environment_of(store, catalog, {})
    changes = [f"training.{name}={value}" for name, value in LONG.items()]
    command = [sys.executable, "-m", "refrain", "run", DATASET, "--set", "tokens.min_frequency=1"]
    command += [word for change in changes for word in ("--set", change)]
    for number in (1, 2):
        screen = store / f"killed-{number}.txt"
        with screen.open("wb") as file:
            process = subprocess.Popen(command, env=environment, cwd=ROOT, stderr=file, stdout=file)
        wait_until(partial(_shows, screen, (b"epoch 2:", b"going on")), "training")
        process.send_signal(signal.SIGKILL)
        process.wait()
        counts["kills"] += 1
        wait_until(lambda: not processes_with(f"REFRAIN_HOME={store}"), "the engine's end")
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True).returncode == 0


def kill_each_service(store: Path, catalog: Path, counts: Counter[str]) -> bool:
    """Kill a flow run, the worker, and both servers in turn, each within a training."""
    services = Services(store, catalog)
    try:
        for name in ("prefect", "mlflow"):
            services.start(name)
        services.deploy()
        services.start("worker")
        for name in ("flow", "worker", "mlflow", "prefect"):
            run = services.begin()
            wait_until(partial(_is_at_work, services, run), f"a flow run before the kill of {name}")
            if name == "flow":
                for process in processes_with(f"PREFECT__FLOW_RUN_ID={run}"):
                    os.kill(process, signal.SIGKILL)
            else:
                stop([services.running[name]], 0)
                services.start(name)
            counts["kills"] += 1
            wait_until(partial(_is_over, run), name)
        last = services.begin()
        ends = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        wait_until(lambda: services.state_of(last) in ends, "the last flow run")
        wait_until(partial(_is_over, last), "the process of the last flow run")
        return services.state_of(last) == "COMPLETED"
    finally:
        for name in ("worker", "mlflow", "prefect"):
            if name in services.running:
                stop([services.running[name]])


def _shows(screen: Path, texts: tuple[bytes, ...]) -> bool:
    """Tell whether a program has printed one of some texts."""
    return any(text in screen.read_bytes() for text in texts)


def _is_over(run: str) -> bool:
    """Tell whether no process runs a flow run."""
    return not processes_with(f"PREFECT__FLOW_RUN_ID={run}")


def _is_at_work(services: Services, run: str) -> bool:
    """Tell whether a flow run is within its training, or past it."""
    is_started = services.state_of(run) not in ("SCHEDULED", "PENDING")
    made = [*(services.store / "checkpoints").glob("*/*")]
    return is_started and any(path.name.startswith(("resume", "manifest")) for path in made)
