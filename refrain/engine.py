"""Prefect's engine for one command: the configured server, or a temporary one of its own."""

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

RESPONSE_SECONDS = 10


@contextmanager
def engine() -> Iterator[None]:
    """Provide an engine.

    A temporary server has its own process group, so that Ctrl-C in this
    terminal does not reach it: it ends last, after the flow runs.

    Raises:
        ValueError: If the server of PREFECT_API_URL does not respond.
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
    # It ends after Prefect's threads, which send their last logs and events to it.
    atexit.register(stop, [service])
    before_the_end(lambda: stop([service], 0.5))  # its database survives a kill
    wait_for(f"{api}/health", service, [service])
    with temporary_settings({PREFECT_API_URL: api}):
        yield


def check_server(address: str) -> None:
    """Check that a Prefect server responds.

    Raises:
        ValueError: If it does not; names the setting and its value.
    """
    advice = (
        "Start that server, or unset PREFECT_API_URL (prefect config unset PREFECT_API_URL) "
        "to use a temporary one."
    )
    try:
        with urllib.request.urlopen(
            f"{address.rstrip('/')}/health", timeout=RESPONSE_SECONDS
        ) as response:
            found = response.read(100).strip()
    except urllib.error.HTTPError as error:
        found = f"status {error.code}".encode()
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise ValueError(
            f"PREFECT_API_URL is {address}, and no server responds there ({reason}). {advice}"
        ) from None
    if found != b"true":
        raise ValueError(
            f"PREFECT_API_URL is {address}, and the server there is not a Prefect server: "
            f"it responded {found[:60]!r}. {advice}"
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
