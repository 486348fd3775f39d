"""Locks: between threads, between processes, and after the holder was killed."""

import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from tasks.store.locks import lock_path, locked

AT_ONCE = 0.0
Process = multiprocessing.get_context("spawn").Process


def hold(is_held: Event, name: str) -> None:
    """Hold a lock for ever."""
    with locked("versions", name):
        is_held.set()
        threading.Event().wait()


@contextmanager
def held_by_a_process(name: str) -> Iterator[multiprocessing.process.BaseProcess]:
    is_held = multiprocessing.get_context("spawn").Event()
    process = Process(target=hold, args=(is_held, name), daemon=True)
    process.start()
    try:
        assert is_held.wait(120)
        yield process
    finally:
        process.kill()
        process.join()


def test_lock_admits_one_thread_at_a_time(store: Path) -> None:
    counted = []

    def count() -> None:
        for _ in range(20):
            with locked("versions", "made"):
                seen = len(counted)
                counted.append(seen)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted == list(range(160))


def test_lock_held_by_another_process_raises_with_its_holder(store: Path) -> None:
    with held_by_a_process("made") as process:
        message = rf"made: process {process.pid} on \S+, since .* UTC has held .*made.lock for 0 s"
        with (
            pytest.raises(OSError, match=message),
            locked("versions", "made", patience_seconds=AT_ONCE),
        ):
            pass
        with (
            locked("versions", "other", patience_seconds=AT_ONCE),
            locked("champion", "made", patience_seconds=AT_ONCE),
        ):
            pass
        process.kill()
        process.join()
        with locked(
            "versions", "made", patience_seconds=AT_ONCE
        ):  # the file is still there, the lock went with its holder
            assert lock_path("versions", "made").exists()


def test_lock_is_released_after_an_exception(store: Path) -> None:
    with pytest.raises(KeyboardInterrupt), locked("versions", "made"):
        raise KeyboardInterrupt
    with locked("versions", "made", patience_seconds=AT_ONCE):
        pass


def test_lock_path_stays_in_its_folder_for_any_name(store: Path) -> None:
    assert lock_path("versions", "../up/and away").parent == store / "locks" / "versions"
