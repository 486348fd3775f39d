"""What the checks look at: the store's ``refrain up``, its servers, and limits of the machine."""

import fcntl
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from refrain.prefect_lists import read_list
from tasks.store.home import home

RESPONSE_SECONDS = 10.0  # a busy machine of two cores answers within two


@dataclass(frozen=True)
class UpState:
    """The last ``refrain up`` of a store, from its file ``up.json``."""

    addresses: Mapping[str, str]
    process: int | None  # None after an orderly end
    is_running: bool

    @property
    def prefect(self) -> str:
        """The address of Prefect's API; empty if it never started."""
        address = self.addresses.get("Prefect dashboard", "")
        return f"{address}/api" if address else ""

    @property
    def mlflow(self) -> str:
        """The address of the MLflow server; empty if it never started."""
        return self.addresses.get("MLflow UI", "")


def read_up() -> UpState:
    """Read which ``refrain up`` runs on the store, or ran last."""
    try:
        with (home() / "up.json").open() as file:
            found = json.loads(file.read() or "{}")
            process = found.get("process")
            return UpState(found.get("addresses", {}), process, bool(process) and _is_held(file))
    except FileNotFoundError:
        return UpState({}, None, is_running=False)


def use_own_server(up: UpState) -> None:
    """Let Prefect call the server of a running ``refrain up``, whatever the shell names."""
    if up.is_running:
        os.environ["PREFECT_API_URL"] = up.prefect


def _is_held(file: Any) -> bool:
    """Tell whether a process holds the lock of ``refrain up``; a killed one has lost it."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


@dataclass(frozen=True)
class Surroundings:
    """What the checks look at, each part read once.

    Args:
        is_quick: Compare sizes and digests of small files only.
        disk_gigabytes: Fewer free gigabytes of disk are a finding.
        memory_gigabytes: Fewer free gigabytes of memory are a finding.
        advance: Called by long checks with their name, and the numbers of done and all steps.
    """

    is_quick: bool = False
    disk_gigabytes: float = 2.0
    memory_gigabytes: float = 1.0
    advance: Callable[[str, int, int], None] = lambda what, done, total: None

    @cached_property
    def up(self) -> UpState:
        """The store's ``refrain up``."""
        return read_up()

    @cached_property
    def api(self) -> str:
        """The address of the Prefect server: that of ``refrain up``, else of PREFECT_API_URL."""
        own = self.up.prefect if self.up.is_running else ""
        return own or os.environ.get("PREFECT_API_URL", "").rstrip("/")

    @cached_property
    def prefect_fault(self) -> str:
        """Why the Prefect server does not respond; empty if it does."""
        return fault_of(f"{self.api}/health", b"true") if self.api else "there is none"

    @cached_property
    def deployments(self) -> list[dict[str, Any]]:
        """All deployments of the Prefect server with their schedules."""
        return self.listed("/deployments/filter", {"sort": "NAME_ASC"})

    def listed(self, path: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Read all pages of a list of the Prefect server."""
        return read_list(self.call, path, body)

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a request to the Prefect server, with the user's keys and headers."""
        from prefect.client.orchestration import get_client

        with get_client(sync_client=True) as client:
            return client.request(method, path, json=body).json()  # type: ignore[arg-type]


def fault_of(address: str, expected: bytes) -> str:
    """Ask a server for its health; return why that is not as expected, empty if it is."""
    try:
        with urllib.request.urlopen(address, timeout=RESPONSE_SECONDS) as response:
            found = response.read(100).strip()
    except urllib.error.HTTPError as error:
        return f"status {error.code}"
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__
    return "" if found == expected else f"it responded {found[:60]!r}"
