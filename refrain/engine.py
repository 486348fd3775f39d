"""Prefect's engine for one command: the server that is set, or one of our own for as long as the command runs."""

import atexit
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import prefect
from prefect.settings import PREFECT_API_URL, temporary_settings

from refrain.interruption import before_the_end
from refrain.services import free_port, start, stop, wait_for

ANSWER_SECONDS = 10


@contextmanager
def engine() -> Iterator[None]:
    """Have an engine.

    One of our own is a process group of its own, so that a key pressed in this
    terminal does not reach it: it ends last, after the flow runs have ended.

    Raises:
        ValueError: If the server that PREFECT_API_URL names does not answer.
    """
    address = PREFECT_API_URL.value()
    if address:
        check_server(address)
        yield
        return
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    service = start(
        "engine", _command(port), os.environ | {"PREFECT_UI_ENABLED": "0", "PREFECT_API_URL": api}
    )
    atexit.register(
        stop, [service]
    )  # after Prefect's threads, which send their last logs and events to it
    before_the_end(lambda: stop([service], 0.5))  # its database outlives a kill
    wait_for(f"{api}/health", service, [service])
    with temporary_settings({PREFECT_API_URL: api}):
        yield


def check_server(address: str) -> None:
    """Make sure that a Prefect server answers.

    Raises:
        ValueError: If not; names the setting and its value.
    """
    advice = "Start that server, or unset PREFECT_API_URL (prefect config unset PREFECT_API_URL) to use one of our own."
    try:
        with urllib.request.urlopen(
            f"{address.rstrip('/')}/health", timeout=ANSWER_SECONDS
        ) as answer:
            found = answer.read(100).strip()
    except urllib.error.HTTPError as error:
        found = f"status {error.code}".encode()
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise ValueError(
            f"PREFECT_API_URL is {address}, and no server answers there ({reason}). {advice}"
        ) from None
    if found != b"true":
        raise ValueError(
            f"PREFECT_API_URL is {address}, and what answers there is no Prefect server: {found[:60]!r}. {advice}"
        )


def _command(port: int) -> list[str]:
    program = [sys.executable, "-m", "uvicorn", "--app-dir", str(Path(prefect.__file__).parents[1])]
    served = [
        "--factory",
        "prefect.server.api.server:create_app",
        "--lifespan",
        "on",
        "--log-level",
        "error",
    ]
    return [*program, *served, "--host", "127.0.0.1", "--port", str(port)]
