"""The dashboards, a worker and the scheduled deployments in one terminal."""

import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TextIO

from refrain import prefect_server
from refrain.access import access_file, keep_auth
from refrain.deployments import Server, collapse_missed, deploy, deployed_paths
from refrain.prefect_lists import POOL
from refrain.services import (
    Restarts,
    Service,
    check_port,
    end_flow_runs,
    running,
    start,
    wait_for,
)
from tasks.ingestion.catalogs import own_catalogs, restrictions
from tasks.registry.links import UI_URL, sqlite_url, ui_page
from tasks.registry.mlflow_client import client
from tasks.registry.registry_tables import DATABASE
from tasks.store.home import home
from tasks.store.installation import project
from tasks.store.temporary import sweep_services

CHECK_SECONDS = 30.0  # between two checks for schedules added in the dashboard


class Stopped(Exception):  # noqa: N818  (an end, not an error)
    """A signal ended the services; ``status`` is the exit status."""

    def __init__(self, number: int) -> None:
        self.status = 128 + number


def serve(*, prefect_port: int, mlflow_port: int) -> int:
    """Start all services, print their addresses, and wait for Ctrl-C.

    Returns:
        The exit status: 130 after Ctrl-C, 143 after SIGTERM.

    Raises:
        ValueError: If a service cannot start or ends again and again; names its log.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        # SIGINT too: a script that starts programs in the background ignores it.
        signal.signal(number, _stop)
    addresses = {
        "Prefect dashboard": f"http://127.0.0.1:{prefect_port}",
        "MLflow UI": f"http://127.0.0.1:{mlflow_port}",
    }
    try:
        with only_one(addresses):
            check_port(prefect_port, "the Prefect dashboard", "--prefect-port")
            check_port(mlflow_port, "the MLflow UI", "--mlflow-port")
            sweep_services()
            client()  # makes, upgrades and checks MLflow's database before the server opens it
            _serve(addresses, prefect_port, mlflow_port)
    except Stopped as stopped:
        return stopped.status
    return 0


def _serve(addresses: Mapping[str, str], prefect_port: int, mlflow_port: int) -> None:
    environment = environment_of(prefect_port) | {UI_URL: addresses["MLflow UI"]}
    api = environment["PREFECT_API_URL"]
    prefect = [sys.executable, "-m", "prefect"]
    print(f"Starting the Prefect and MLflow servers; logs and data are in {home()} ...", flush=True)
    with running([]) as services:
        server = Server(api, environment["PREFECT_API_AUTH_STRING"])
        guarded = prefect_server.command(prefect_port, "warning")
        services.append(start("prefect-server", guarded, environment, f"{api}/health"))
        ui = f"{addresses['MLflow UI']}/health"
        own = environment | mlflow_environment()
        services.append(start("mlflow-server", mlflow_command(mlflow_port), own, ui))
        wait_for(services[0].address, services[0], services)
        with server.pauses_kept():
            deploy(prefect, environment)
            server.link_pages(*addresses.values())
        for line in collapse_missed(server):
            print(f"  missed: {line}", flush=True)
        worker = [*prefect, "worker", "start", "--pool", POOL, "--type", "process"]
        services.append(start("worker", worker, environment))
        try:
            wait_for(services[1].address, services[1], services)
            announce(addresses, server)
            watch(services, server)
        finally:
            end_flow_runs(services[-1])


def environment_of(prefect_port: int) -> dict[str, str]:
    """Return the environment of the servers, the worker and its flow runs."""
    api = f"http://127.0.0.1:{prefect_port}/api"
    temporary = home() / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    guarded = prefect_server.environment(prefect_port, keep_auth(api))
    return (
        os.environ
        | guarded
        | {
            "PREFECT_SERVER_UI_API_URL": api,
            "REFRAIN_HOME": str(home()),  # a flow run may have another current folder
            "REFRAIN_CATALOG": os.pathsep.join(str(path.resolve()) for path in own_catalogs()),
            **permitted(),
            # Prefect's worker keeps a folder there that it cannot share with other users.
            "TMPDIR": str(temporary),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight processes that are not used here
        }
    )


def permitted() -> dict[str, str]:
    """Return what catalogs and files that a deployment's parameters name may read.

    The dashboard can start a deployment with other parameters, such as a catalog that reads
    /etc/shadow. Where nothing is set, that is the project's folder and those of the paths in
    ``prefect.yaml``, and no host.
    """
    folders = {project(), *(path.resolve().parent for path in deployed_paths())} - {Path("/")}
    return restrictions(folders)


def mlflow_environment() -> dict[str, str]:
    """Return where the MLflow server of this store keeps its data.

    The address may have a password, so it stands in no list of processes.
    """
    tracking = os.environ.get("MLFLOW_TRACKING_URI") or sqlite_url(home() / DATABASE)
    return {"MLFLOW_BACKEND_STORE_URI": tracking}


def mlflow_command(port: int) -> list[str]:
    """Return the command of the MLflow server of this store, which answers its own pages only."""
    hosts = [f"{host}:{port}" for host in prefect_server.HOSTS]
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    return [
        *command,
        "--artifacts-destination",
        (home() / "mlartifacts").as_uri(),
        "--allowed-hosts",
        ",".join(hosts),
        "--cors-allowed-origins",
        ",".join(f"http://{host}" for host in hosts),
    ]


@contextlib.contextmanager
def only_one(addresses: Mapping[str, str]) -> Iterator[None]:
    """Hold the store's lock of ``refrain up``, with the addresses for a second caller.

    The file is overwritten in place: the lock belongs to the open file, and a
    rename would release it. Its content does not have to survive a crash.

    Raises:
        ValueError: If another process holds it; with the addresses of its dashboards.
    """
    path = home() / "up.json"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            found = json.loads(file.read() or "{}")
            where = "".join(
                f"\n  {name:<17}  {address}" for name, address in found.get("addresses", {}).items()
            )
            raise ValueError(
                f"Refrain already runs on {home()} "
                f"(process {found.get('process', 'unknown')}):{where}"
            ) from None
        _write_state(file, os.getpid(), addresses)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # a full disk
                _write_state(file, None, addresses)  # the doctor tells an orderly end from a kill


def _write_state(file: TextIO, process: int | None, addresses: Mapping[str, str]) -> None:
    file.truncate(0)
    json.dump({"process": process, "addresses": dict(addresses)}, file)
    file.flush()


def announce(addresses: Mapping[str, str], server: Server) -> None:
    """Print the dashboards' addresses, each deployment's next run, and what is paused."""
    print(f"\n  Prefect dashboard  {addresses['Prefect dashboard']}")
    # A log may have more readers than the store.
    shown = server.auth if sys.stdout.isatty() else f"see {access_file()}"
    print(f"  password           {shown}")
    print(f"  MLflow UI          {ui_page(addresses['MLflow UI'])}\n")
    for name, time_text in server.next_runs().items():
        next_run = _minute(time_text) if time_text else "not scheduled yet; see the server's log"
        print(f"  next: {name:<18} {next_run}")
    for line in server.paused():
        print(f"  paused: {line}")
    print("\nTo start a retraining now, use Quick run in the dashboard, or:")
    print(f"  source {access_file()}")
    print(f"  {Path(sys.executable).with_name('prefect')} deployment run retrain/rotten_tomatoes")
    print("Ctrl-C stops all.", flush=True)


def _minute(time_text: str) -> str:
    return f"{datetime.fromisoformat(time_text.replace('Z', '+00:00')):%Y-%m-%d %H:%M} UTC"


def watch(services: Sequence[Service], server: Server) -> None:
    """Print errors of the logs until a signal arrives; name schedules added in the dashboard.

    A service that ends by itself is started again.

    Raises:
        ValueError: If it ends again and again; names its log.
    """
    checked = time.monotonic()
    restarts = Restarts(services)
    while True:
        for line in restarts.look():
            print(f"{datetime.now():%H:%M:%S}  {line}", file=sys.stderr, flush=True)
        for service in services:
            for line in service.new_faults():
                print(
                    f"{datetime.now():%H:%M:%S}  {service.log}: {line}", file=sys.stderr, flush=True
                )
        if time.monotonic() - checked > CHECK_SECONDS:
            checked = time.monotonic()
            with contextlib.suppress(OSError):  # a busy server is checked again next time
                server.name_schedules()
        time.sleep(1)


def _stop(number: int, frame: object) -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM):
        # The services are stopping, which takes a few seconds at most.
        signal.signal(ignored, signal.SIG_IGN)
    print("\nStopping ...", flush=True)
    raise Stopped(number)
