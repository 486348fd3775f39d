"""What web pages and other users of the machine can do to the servers of ``refrain up``.

``python -m benchmarks.reliability.cross_origin`` starts ``refrain up`` in a store of its own and
sends it what a page of another site, a name that points at this machine, and a program without
the password would send: a deployment whose ``job_variables`` run a command, and experiments of
MLflow. ``--dry`` prints without writing; ``--stock`` attacks Prefect's server as
``prefect server start`` runs it, to show that the attacks work.
"""

import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.data.real_sets import own_store
from benchmarks.lib.figures import Figure, figure
from benchmarks.reliability.outcome import finish
from refrain.services import free_port

COMMAND = "python -m benchmarks.reliability.cross_origin"
PATIENCE_SECONDS = 1800
WORKER_SECONDS = 40  # two polls of a worker
MARKER = "cross-origin-command-ran"
HOSTILE = "http://pages.example.org"
TYPES = ("application/json", "text/plain", "application/x-www-form-urlencoded")


@dataclass(frozen=True)
class Attack:
    """How a request reaches a server: with whose Origin and Host, and which type of content."""

    name: str
    origin: str | None
    host: str | None = None
    content: str = "application/json"

    def headers(self, port: int) -> dict[str, str]:
        """Return the headers of its requests."""
        found = {"Host": self.host or f"127.0.0.1:{port}", "Content-Type": self.content}
        return found | ({"Origin": self.origin} if self.origin else {})


def attacks(port: int) -> list[Attack]:
    """List all attacks on a server."""
    foreign = [Attack(f"a page of another site, {kind}", HOSTILE, None, kind) for kind in TYPES]
    return [
        *foreign,
        Attack("a sandboxed frame", "null"),
        Attack("a page of another port", f"http://127.0.0.1:{port + 1}"),
        Attack("a name that points here", f"{HOSTILE}:{port}", f"pages.example.org:{port}"),
        Attack("a name that points here, no Origin", None, f"pages.example.org:{port}"),
        Attack("the server's own page without a password", f"http://127.0.0.1:{port}"),
        Attack("a program without a password", None),
    ]


def send(
    port: int, method: str, path: str, headers: Mapping[str, str], body: object = None
) -> tuple[int, dict[str, str], Any]:
    """Send a request as it is; return its status, headers and content."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), dict(headers))
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    with contextlib.suppress(ValueError):
        return response.status, dict(response.getheaders()), json.loads(text)
    return response.status, dict(response.getheaders()), {}


def prefect_commands(port: int, attack: Attack, marker: Path) -> list[str]:
    """Try to run a command through Prefect; list the requests that were carried out."""
    headers = attack.headers(port)
    status, _, token = send(port, "GET", "/api/csrf-token?client=page", headers)
    if status < 300:
        headers |= {"Prefect-Csrf-Token": token["token"], "Prefect-Csrf-Client": "page"}
    done = [] if not _lets_page_ask(port, attack, "/api/flows/") else ["allowed by a preflight"]
    flow = _made(port, "/api/flows/", headers, {"name": "page"}, done)
    deployment = {
        "name": "page",
        "flow_id": flow.get("id", "0" * 32),
        "work_pool_name": "refrain",
        "path": "/tmp",
        "entrypoint": "none.py:none",
        "job_variables": {"command": f"touch {marker}"},
    }
    made = _made(port, "/api/deployments/", headers, deployment, done)
    path = f"/api/deployments/{made.get('id', '0' * 32)}/create_flow_run"
    _made(port, path, headers, {"state": {"type": "SCHEDULED"}}, done)
    return done


def mlflow_commands(port: int, attack: Attack) -> list[str]:
    """Try to change what MLflow holds; list the requests that were carried out."""
    headers = attack.headers(port)
    done = list[str]()
    for prefix in ("api", "ajax-api"):
        path = f"/{prefix}/2.0/mlflow/experiments/create"
        _made(port, path, headers, {"name": f"{attack.name} {prefix}"}, done)
        if _lets_page_ask(port, attack, path):
            done.append("allowed by a preflight")
    return done


def _made(
    port: int, path: str, headers: Mapping[str, str], body: object, done: list[str]
) -> dict[str, Any]:
    status, _, content = send(port, "POST", path, headers, body)
    if status >= 300:
        return {}
    done.append(f"POST {path}: {status}")
    return dict(content)


def _lets_page_ask(port: int, attack: Attack, path: str) -> bool:
    """Whether a browser would let a page of another site send a request with content."""
    asked = {"Access-Control-Request-Method": "POST"}
    _, headers, _ = send(port, "OPTIONS", path, attack.headers(port) | asked)
    allowed = {name.lower(): value for name, value in headers.items()}
    is_own = attack.origin == f"http://127.0.0.1:{port}"
    given = allowed.get("access-control-allow-origin", "")
    return bool(attack.origin) and not is_own and given in ("*", attack.origin)


@contextlib.contextmanager
def running(command: list[str], ready: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program and wait for a line of its output; end it afterwards."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not re.search(ready, log.read_text(errors="replace")):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{command} did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.5)
        yield process
    finally:
        process.terminate()
        process.wait(60)


def attack_up(home: Path) -> tuple[int, list[str]]:
    """Attack ``refrain up``: the number of attacks, and what was carried out."""
    prefect_port = free_port()
    mlflow_port = free_port()
    ports = ["--prefect-port", str(prefect_port), "--mlflow-port", str(mlflow_port)]
    command = [sys.executable, "-m", "refrain", "up", *ports]
    done = list[str]()
    num = 0
    with running(command, "Ctrl-C stops all", home / "screen"):
        for attack in attacks(prefect_port):
            found = prefect_commands(prefect_port, attack, home / MARKER)
            num += 1
            done += [f"Prefect, {attack.name}: {each}" for each in found]
        for attack in attacks(mlflow_port):
            if (attack.origin is None and attack.host is None) or "own page" in attack.name:
                continue  # MLflow has no password: a program of this machine may use it
            if "another port" in attack.name:
                continue  # MLflow trusts every page of this machine; docs/security.md tells so
            num += 1
            done += [
                f"MLflow, {attack.name}: {each}" for each in mlflow_commands(mlflow_port, attack)
            ]
        time.sleep(WORKER_SECONDS)
    if (home / MARKER).exists():
        done.append("a command ran on this machine")
    return num, done


def attack_stock(home: Path) -> tuple[int, list[str]]:
    """Attack Prefect's server as it is: the number of attacks, and what was carried out."""
    port = free_port()
    os.environ |= {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    with running(command, "Check out the dashboard", home / "screen"):
        time.sleep(20)  # it prints before it listens
        found = {
            attack.name: prefect_commands(port, attack, home / MARKER) for attack in attacks(port)
        }
    return len(found), [f"{name}: {each}" for name, done in found.items() for each in done]


def measure(*, is_stock: bool) -> list[Figure]:
    """Attack, print what was carried out, and count it."""
    with own_store() as home:
        num, done = (attack_stock if is_stock else attack_up)(home)
    print(*done, sep="\n")
    return [
        figure(
            "cross_origin_commands",
            len(done),
            unit="requests carried out",
            goal=0,
            better="lower",
            command=COMMAND,
            note=f"{num} attacks on the two servers of refrain up, with foreign origins and hosts, "
            "preflights and without a password",
        )
    ]


if __name__ == "__main__":
    is_stock = "--stock" in sys.argv
    finish(partial(measure, is_stock=is_stock), is_dry=is_stock or "--dry" in sys.argv)
