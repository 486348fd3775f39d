"""Prefect's engine for one command: the configured server, or a temporary one of its own."""

import atexit
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from refrain import prefect_server
from refrain.access import access_file, draw_auth
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
        check_password(address)
        yield
        return
    port = free_port()
    auth = draw_auth()  # a web page in the user's browser reaches this server as well
    guarded = prefect_server.environment(port, auth)
    api = guarded["PREFECT_API_URL"]
    service = start(
        "engine",
        prefect_server.command(port, "error"),
        os.environ | guarded | {"PREFECT_UI_ENABLED": "0"},
    )
    # It ends after Prefect's threads, which send their last logs and events to it.
    atexit.register(stop, [service])
    before_the_end(lambda: stop([service], 0.5))  # its database survives a kill
    wait_for(f"{api}/health", service, [service])
    with temporary_settings({PREFECT_API_URL: api, PREFECT_API_AUTH_STRING: auth}):
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


def check_password(address: str) -> None:
    """Check that a Prefect server takes the user and password of this process.

    Raises:
        ValueError: If it does not; names the setting and where the password lies.
    """
    try:
        with get_client(sync_client=True) as client:  # as all requests: with keys, headers, proxies
            client.request("GET", "/admin/version")
    except PrefectHTTPStatusError as error:
        if error.response.status_code == 401:
            raise ValueError(
                f"the Prefect server at {address} wants another password than that of "
                f"PREFECT_API_AUTH_STRING. For the server of `refrain up`: source {access_file()}"
            ) from None
        raise
