"""Errors of MLflow, Prefect and their databases as one sentence: variable, address, what to do."""

import os
import re
import sqlite3

from tasks.registry.metric_spool import one_line
from tasks.registry.registry_tables import DATABASE
from tasks.store.home import home

KEPT = "Finished stages and checkpoints are kept: start the same command again"
# Libraries by name, as their import takes seconds.
OF_MLFLOW = ("mlflow", "requests", "urllib3")
OF_PREFECT = ("httpx", "httpcore", "websockets")  # what its client raises in an outage
OF_DATABASES = ("sqlalchemy", "sqlite3", "alembic")
UNREACHED = re.compile(r"^(Failed to reach API|Timed out while attempting|Cannot connect to)")
OUTAGE = re.compile(r"API request to|Max retries|timed? ?out|Connection|status code 5|error code 5")


def server_message(error: BaseException) -> str:
    """Describe an error of a server or its database; empty for any other error."""
    libraries = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    text = _one_line(error)
    if isinstance(error, sqlite3.Error) or libraries & set(OF_DATABASES):
        return (
            f"a database in {home()} could not be read or written ({text}): is the disk full, or "
            f"does another program hold it? {KEPT}"
        )
    if libraries & set(OF_MLFLOW):
        return _of_mlflow(text)
    if libraries & set(OF_PREFECT) or (isinstance(error, RuntimeError) and UNREACHED.search(text)):
        return _of_prefect(text)
    return ""


def _of_mlflow(text: str) -> str:
    if not OUTAGE.search(text):
        return f"MLflow failed: {text}"
    address = one_line(os.environ.get("MLFLOW_TRACKING_URI") or f"not set, so {home() / DATABASE}")
    return f"MLFLOW_TRACKING_URI is {address}, and MLflow does not respond there ({text}). {KEPT}"


def _of_prefect(text: str) -> str:
    address = os.environ.get("PREFECT_API_URL")
    if address:
        return (
            f"PREFECT_API_URL is {one_line(address)}, and the Prefect server there does not "
            f"respond ({text}). {KEPT}"
        )
    return (
        f"Prefect's engine does not respond ({text}); PREFECT_API_URL is not set, so the command "
        f"started it, and its log is {home() / 'logs' / 'engine.log'}. {KEPT}"
    )


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return one_line(lines[0])
