"""The environment of Prefect and MLflow, set before either is imported."""

import contextlib
import os
import threading

from refrain.access import kept_auth
from tasks.store.home import home
from tasks.store.installation import IS_CHECKOUT, PACKAGE, ROOT
from tasks.store.temporary import use_for_libraries

LOGGERS = f"{PACKAGE}data,rnn_models,{PACKAGE}tasks"

_is_program = threading.Event()


def own_process() -> None:
    """Say that this process is a command, so all of its temporary files may go into the store."""
    _is_program.set()


def prepare(**more: str) -> None:
    """Set the variables that the engine reads when it starts; keep those the user has set.

    Args:
        more: Further variables, set in the same way.
    """
    chosen = {
        "PREFECT_HOME": str(home() / "prefect"),
        # The embedded engine takes 13 to 25 s to start on two cores; Prefect waits for 20.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        # Its SQLite database waits for a lock no longer than that; on a busy machine 10 s, its own
        # limit, end in "database is locked".
        "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # Waiting threads spin for a moment only, then sleep. By default they spin for
        # milliseconds, and as soon as another program wants a core, each of the thousands of
        # parallel loops of a step loses a time slice. `python -m benchmarks.speed.threads`
        # measures the cost.
        "GOMP_SPINCOUNT": "2000",
        "PREFECT_LOGGING_EXTRA_LOGGERS": LOGGERS,
        # `refrain check` and others run tasks without a flow run.
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # A server that restarts or is overloaded for a minute ends no flow run.
        "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500,504",
        "PREFECT_CLIENT_MAX_RETRIES": "6",
    }
    for name, value in (chosen | more).items():
        os.environ.setdefault(name, value)
    if auth := kept_auth(os.environ.get("PREFECT_API_URL", "")):
        os.environ.setdefault("PREFECT_API_AUTH_STRING", auth)
    _reach_this_machine_directly()
    if IS_CHECKOUT:
        _be_found_first()
    home().mkdir(parents=True, exist_ok=True)
    if _is_program.is_set():
        with contextlib.suppress(OSError):  # a full disk or a store to read only: named later
            use_for_libraries()


def _reach_this_machine_directly() -> None:
    """Reach this machine without a proxy: the engine and the servers listen on it."""
    for name in ("no_proxy", "NO_PROXY"):
        hosts = [host for host in os.environ.get(name, "").split(",") if host]
        os.environ[name] = ",".join(dict.fromkeys([*hosts, "127.0.0.1", "localhost", "::1"]))


def _be_found_first() -> None:
    """Put our folder first in the path of child processes: a user may have a tasks.py too."""
    paths = [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(path for path in paths if path))
