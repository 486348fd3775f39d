"""The dashboards, a worker and the scheduled deployments, in one terminal."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from flows.environment import home

ROOT = Path(__file__).resolve().parents[1]
POOL = "refrain"
PATIENCE_SECONDS = 180.0


def check_port(port: int, what: str, option: str) -> None:
    """Refuse a port that something else listens on.

    Raises:
        ValueError: Names the port, what wanted it and how to choose another.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ValueError(
                f"port {port} for {what} is taken by another program ({error.strerror}). "
                f"Stop that one, or choose another port: refrain up {option} {port + 1}"
            ) from error


@contextlib.contextmanager
def started(name: str, command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a process group of its own, its output in a log; stop the group at the end."""
    logs = home() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process group: politely, then not."""
    for sign, patience in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            return


def wait_for(url: str, name: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers.

    Raises:
        ValueError: If it ended or did not answer in time; names its log.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    log = home() / "logs" / f"{name}.log"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ValueError(f"{name} ended with status {process.returncode} at its start; its last words are in {log}")
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.5)
    raise ValueError(f"{name} did not answer at {url} within {PATIENCE_SECONDS:.0f} s; see {log}")


def serve(*, prefect_port: int, mlflow_port: int) -> None:
    """Start everything, print where it is, and wait for Ctrl-C."""
    check_port(prefect_port, "the Prefect dashboard", "--prefect-port")
    check_port(mlflow_port, "the MLflow UI", "--mlflow-port")
    signal.signal(signal.SIGTERM, _interrupt)
    environment = os.environ | {
        "PREFECT_API_URL": f"http://127.0.0.1:{prefect_port}/api",
        "PREFECT_SERVER_UI_API_URL": f"http://127.0.0.1:{prefect_port}/api",
    }
    python, store = sys.executable, home()
    prefect = [python, "-m", "prefect"]
    tracking = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{store / 'mlflow.db'}"
    mlflow = [python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(mlflow_port), "--workers", "1"]
    mlflow += ["--backend-store-uri", tracking, "--artifacts-destination", (store / "mlartifacts").as_uri()]
    print(f"Starting the Prefect and MLflow servers; logs and data lie in {store} ...", flush=True)
    with contextlib.ExitStack() as stack:
        server = [*prefect, "server", "start", "--host", "127.0.0.1", "--port", str(prefect_port)]
        first = stack.enter_context(started("prefect-server", server, environment))
        second = stack.enter_context(started("mlflow-server", mlflow, environment))
        wait_for(f"{environment['PREFECT_API_URL']}/health", "prefect-server", first)
        deploy(prefect, environment)
        worker = [*prefect, "worker", "start", "--pool", POOL, "--type", "process"]
        third = stack.enter_context(started("worker", worker, environment))
        wait_for(f"http://127.0.0.1:{mlflow_port}/health", "mlflow-server", second)
        print(f"\n  Prefect dashboard  http://127.0.0.1:{prefect_port}\n  MLflow UI          http://127.0.0.1:{mlflow_port}\n")
        print("Scheduled retrainings run from now on. To start one now, use Quick run in the dashboard, or:")
        print(f"  export PREFECT_API_URL={environment['PREFECT_API_URL']}")
        print(f"  {Path(python).with_name('prefect')} deployment run retrain/rotten_tomatoes")
        print("Ctrl-C stops all.", flush=True)
        watch({"prefect-server": first, "mlflow-server": second, "worker": third})


def deploy(prefect: list[str], environment: dict[str, str]) -> None:
    """Make the work pool and apply every deployment of ``prefect.yaml``.

    Raises:
        ValueError: With what Prefect said.
    """
    commands = (["work-pool", "create", POOL, "--type", "process", "--overwrite"], ["--no-prompt", "deploy", "--all"])
    for command in commands:
        done = subprocess.run([*prefect, *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ValueError(f"prefect {' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def watch(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    """Wait for Ctrl-C, or for a program to end by itself.

    Raises:
        ValueError: If one ended; names its log.
    """
    try:
        while True:
            for name, process in processes.items():
                if process.poll() is not None:
                    log = home() / "logs" / f"{name}.log"
                    raise ValueError(f"{name} ended with status {process.returncode}; its last words are in {log}")
            time.sleep(1)
    except KeyboardInterrupt:
        print("\nStopping ...", flush=True)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
