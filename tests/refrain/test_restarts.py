"""Services that end by themselves and start again."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from refrain import restarts
from refrain.restarts import Restarts
from refrain.services import Service, free_port, start, stop

ENDS = "print('no port is free'); raise SystemExit(3)"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restarts, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(restarts, "LONGEST_PAUSE_SECONDS", 0.02)


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
    monkeypatch.setattr(restarts, "MOST", 3)
    service = start("short", [sys.executable, "-c", ENDS], os.environ)
    looked = Restarts([service])
    with pytest.raises(ValueError, match=r"(?s)short ended with status 3.*no port is free"):
        lines_until(looked, "never")
    assert len(looked.ends["short"]) == 4


def test_pauses_before_a_start_double_up_to_the_longest(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restarts, "LONGEST_PAUSE_SECONDS", 3.0)
    service = start("short", [sys.executable, "-c", ENDS], os.environ)
    service.process.wait()
    looked = Restarts([service])
    pauses = []
    for _ in range(3):
        pauses += [line.rpartition(" in ")[2] for line in looked.look()]
        looked.due.clear()
    assert pauses == ["1 s", "2 s", "3 s"]
