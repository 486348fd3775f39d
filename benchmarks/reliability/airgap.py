"""A whole cycle on a machine without a network, and each attempt to leave it.

``python -m benchmarks.reliability.airgap`` trains, predicts, serves, and opens both dashboards of
the project of ``refrain init`` in a network namespace that has a loopback device only, under
``strace``, which sees every connection of every process. It needs Linux with ``unshare``, ``ip``
and ``strace``. ``--dry`` prints without writing.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks.lib.figures import ROOT, Figure, figure
from benchmarks.reliability.outcome import finish
from benchmarks.reliability.small_project import (
    MODEL,
    SHORT,
    checked,
    command,
    make_project,
    refrain,
    surroundings,
)
from refrain.services import free_port

COMMAND = "python -m benchmarks.reliability.airgap"
PATIENCE_SECONDS = 1800
TRACED = "connect,sendto,sendmsg,sendmmsg"
ADDRESS = re.compile(r'sin6?_port=htons\((\d+)\).*?(?:inet_addr\("|inet_pton\(AF_INET6, ")([^"]+)"')
LOOPBACK = re.compile(r"127\.|::1$|::ffff:127\.")
ROW = {"dataframe_records": [{"text": "works as described"}]}


def strace(log: Path) -> tuple[str, ...]:
    """Return the command that writes the connections of a program and its children."""
    options = ("-f", "-qq", "--seccomp-bpf", "-e", f"trace={TRACED}", "-s", "64")
    return ("strace", *options, "-o", str(log), "--")


def attempts(log: Path) -> list[str]:
    """List the addresses outside of this machine that were tried."""
    found = ADDRESS.findall(log.read_text(errors="replace"))
    return [f"{address} port {port}" for port, address in found if not LOOPBACK.match(address)]


@contextlib.contextmanager
def running(project: Path, words: tuple[str, ...], log: Path) -> Iterator[None]:
    """Run a server of Refrain under ``strace``; end it as Ctrl-C does."""
    with log.with_suffix(".screen").open("wb") as screen:
        process = subprocess.Popen(
            [*strace(log), *command(*words)],
            cwd=project,
            env=surroundings(project),
            stdout=screen,
            stderr=screen,
            start_new_session=True,
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(120)


def fetched(url: str, log: Path, body: object = None) -> bytes:
    """Ask until a server answers.

    Raises:
        SystemExit: If it does not; with what it printed.
    """
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(request, timeout=60) as response,
        ):
            return bytes(response.read())
        time.sleep(1)
    raise SystemExit(f"{url} did not answer:\n{log.with_suffix('.screen').read_text()[-3000:]}")


def cycle(folder: Path) -> dict[str, list[str]]:
    """Run each step; return the attempts to leave this machine."""
    project = make_project(folder)
    steps = {
        "retrain": ("run", MODEL, *SHORT),
        "list": ("models",),
        "predict": ("predict", f"{MODEL}/1", "works as described"),
        "files": (
            "predict",
            f"{MODEL}/1",
            "--file",
            "reviews.csv",
            "--to",
            str(folder / "answers"),
        ),
    }
    for name, words in steps.items():
        checked(refrain(project, *words, prefix=strace(folder / f"{name}.trace")))
        print(f"{name}: done", flush=True)
    ports = [free_port() for _ in range(3)]
    served = folder / "serve.trace"
    with running(project, ("serve", f"{MODEL}/1", "--port", str(ports[0])), served):
        assert b"predictions" in fetched(f"http://127.0.0.1:{ports[0]}/invocations", served, ROW)
        print("serve: done", flush=True)
    up = folder / "up.trace"
    words = ("up", "--prefect-port", str(ports[1]), "--mlflow-port", str(ports[2]))
    with running(project, words, up):
        for port in ports[1:]:
            page = fetched(f"http://127.0.0.1:{port}/", up)
            assert b"<html" in page.lower(), page[:200]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while "Ctrl-C stops all" not in up.with_suffix(".screen").read_text():
            assert time.monotonic() < deadline, up.with_suffix(".screen").read_text()
            time.sleep(1)
        print("dashboards: done", flush=True)
    return {trace.stem: attempts(trace) for trace in sorted(folder.glob("*.trace"))}


def measure() -> list[Figure]:
    """Run the cycle in a network namespace of its own."""
    with tempfile.TemporaryDirectory(prefix="refrain-airgap-") as folder:
        alone = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
        inside = [sys.executable, "-m", "benchmarks.reliability.airgap", "inside", folder]
        subprocess.run([*alone, *inside], cwd=ROOT, check=True)
        found: dict[str, list[str]] = json.loads((Path(folder) / "found.json").read_text())
    for step, tried in found.items():
        print(f"{step:<12}{len(tried):>4} attempts  {', '.join(sorted(set(tried)))}")
    return [
        figure(
            "airgap_connections",
            sum(map(len, found.values())),
            unit="attempts",
            goal=0,
            better="lower",
            command=COMMAND,
            note="retrain, predict, serve and both dashboards with a loopback device only; every "
            "connection and datagram of every process, by strace",
        )
    ]


def main() -> None:
    """Measure, or run the cycle inside of the namespace."""
    if sys.argv[1:2] == ["inside"]:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        folder = Path(sys.argv[2])
        (folder / "found.json").write_text(json.dumps(cycle(folder)))
        return
    finish(measure)


if __name__ == "__main__":
    main()
