"""Leases: the kernel decides whether a process of this machine has ended."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.store import leases
from tasks.store.durable import write_json
from tasks.store.leases import Lease, find_lease, mine, started_of


def lease_of(process: int) -> Lease:
    return replace(mine(), process=process, started=started_of(process))


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:  # always busy
        yield process
        process.kill()


def test_lease_of_a_process_without_heartbeats_ends_only_with_the_process(
    store: Path, child: subprocess.Popen[bytes]
) -> None:
    lease = lease_of(child.pid)
    write_json(lease.path, vars(lease))
    long_ago = time.time() - 100 * leases.SILENT_SECONDS
    os.utime(lease.path, (long_ago, long_ago))
    try:
        assert not lease.is_gone()
    finally:
        child.kill()
    deadline = time.monotonic() + 5
    while not lease.is_gone() and time.monotonic() < deadline:  # as a zombie it counts as gone
        time.sleep(0.05)
    assert lease.is_gone()
    child.wait()
    assert lease.is_gone()


def test_lease_distinguishes_processes_with_the_same_id(store: Path) -> None:
    assert replace(mine(), started="1").is_gone()
    assert not mine().is_gone()


def test_lease_of_another_machine_ends_after_a_long_silence(store: Path) -> None:
    other = replace(mine(), host="elsewhere")
    assert not other.is_gone()  # nothing is known about it
    write_json(other.path, vars(other))
    assert not other.is_gone()
    silent = time.time() - leases.SILENT_SECONDS - 60
    os.utime(other.path, (silent, silent))
    assert other.is_gone()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": "x"}'])
def test_damaged_lease_is_ignored(store: Path, content: str) -> None:
    (store / "leases").mkdir(parents=True)
    (store / "leases" / "damaged.json").write_text(content)
    assert find_lease("damaged") is None


def test_a_lease_is_kept_for_a_month_after_its_process(store: Path) -> None:
    gone = replace(mine(), started="1")
    write_json(gone.path, vars(gone))
    leases.drop_old()
    assert gone.path.exists()
    old = time.time() - leases.KEPT_SECONDS - 60
    os.utime(gone.path, (old, old))
    leases.drop_old()
    assert (gone.path.exists(), mine().path.exists()) == (False, True)
