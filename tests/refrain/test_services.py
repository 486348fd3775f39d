"""The programs of ``refrain up``: how they end, and start again."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from refrain import services
from refrain.services import Restarts, Service, end_flow_runs, free_port, start, stop
from tasks.store.leases import children_of

RUN = """
import signal, sys, time
from pathlib import Path
from tasks.store.leases import mine
def save(number, frame):
    time.sleep(0.3)
    Path(sys.argv[1]).write_text("saved")
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
mine()
time.sleep(60)
"""
ENDS = "print('no port is free'); raise SystemExit(3)"
WORKER = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", *sys.argv[1:]]).wait()
sys.stdin.read()
import time; time.sleep(60)
"""


def wait_for_child(worker: Service) -> None:
    deadline = time.monotonic() + 30
    while not children_of(worker.process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)


def test_flow_runs_save_before_their_worker_is_stopped(store: Path, tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", WORKER, RUN, str(tmp_path / "saved")]
    worker = start("worker", command, {**os.environ, "PYTHONPATH": root})
    try:
        wait_for_child(worker)
        assert len(children_of(worker.process.pid)) == 1
        end_flow_runs(worker)
        assert (tmp_path / "saved").read_text() == "saved"
        worker.check()  # it still runs, and can report
    finally:
        stop([worker])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(services, "LONGEST_PAUSE_SECONDS", 0.02)


@pytest.fixture
def server(store: Path) -> Iterator[Service]:
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    service = start("server", command, os.environ, f"http://127.0.0.1:{port}/")
    yield service
    stop([service], 0)


def lines_until(looked: Restarts, word: str) -> list[str]:
    lines: list[str] = []
    deadline = time.monotonic() + 20
    while not any(word in line for line in lines) and time.monotonic() < deadline:
        lines += looked.look()
        time.sleep(0.01)
    return lines


def test_killed_server_starts_again_and_responds(quick: None, server: Service) -> None:
    before = server.process
    before.kill()
    before.wait()
    lines = lines_until(Restarts([server]), "started again")
    assert lines == [
        "server ended with status -9; it starts again in 0.01 s",
        "server started again; its log before is server.1.log",
    ]
    assert server.process is not before
    server.check()
    assert list(Restarts([server]).look()) == []


def test_service_that_ends_again_and_again_raises_with_its_log(
    quick: None, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MOST", 3)
    service = start("short", [sys.executable, "-c", ENDS], os.environ)
    looked = Restarts([service])
    with pytest.raises(ValueError, match=r"(?s)short ended with status 3.*no port is free"):
        lines_until(looked, "never")
    assert len(looked.ends["short"]) == 4


def test_pauses_before_a_start_double_up_to_the_longest(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "LONGEST_PAUSE_SECONDS", 3.0)
    service = start("short", [sys.executable, "-c", ENDS], os.environ)
    service.process.wait()
    looked = Restarts([service])
    pauses = []
    for _ in range(3):
        pauses += [line.rpartition(" in ")[2] for line in looked.look()]
        looked.due.clear()
    assert pauses == ["1 s", "2 s", "3 s"]
