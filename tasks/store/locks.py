"""Locks between processes of one store, released by the kernel when their holder dies."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from filelock import FileLock, Timeout

from tasks.store.home import home

log = logging.getLogger(__name__)
PATIENCE_SECONDS = 900.0  # the longest operation under a lock is the upload of a model


def lock_path(what: str, name: str) -> Path:
    """Return the lock file; it is never removed, as a waiter may hold it open."""
    return home() / "locks" / what / f"{quote(name, safe='')}.lock"


def lock_scope() -> str:
    """Name the machine and store where a lock is valid."""
    return f"{socket.gethostname()}:{home()}"


@contextmanager
def locked(what: str, name: str, *, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Exclude all other threads and processes of this store.

    This is the kernel's lock on an open file, so it ends with its process,
    even after a kill. Another store has other locks.

    Args:
        what: The subject: ``versions``, ``champion`` or ``removals``. A
            registration, which may upload for minutes, blocks no rollback.
        name: The model or dataset.
        patience_seconds: How long to wait for the current holder.

    Raises:
        OSError: If another process holds the lock for too long, or the file
            system has no such locks.
    """
    path = lock_path(what, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A soft lock, filelock's fallback without flock, would outlive its holder.
    lock = FileLock(path, fallback_to_soft=False)
    try:
        _acquire(lock, path, name, patience_seconds)
    except Timeout:
        raise OSError(
            f"{name}: {_holder(path)} has held {path} for {patience_seconds:.0f} s; "
            "wait for it, or end it"
        ) from None
    try:
        now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        path.write_text(f"process {os.getpid()} on {socket.gethostname()}, since {now}")
        yield
    finally:
        lock.release()


def _acquire(lock: FileLock, path: Path, name: str, patience_seconds: float) -> None:
    try:
        lock.acquire(timeout=min(1.0, patience_seconds))
    except Timeout:
        log.info("%s: waiting for %s", name, _holder(path))
        lock.acquire(timeout=patience_seconds)


def _holder(path: Path) -> str:
    return path.read_text() or "another process"
