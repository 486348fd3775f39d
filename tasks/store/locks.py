"""One at a time: locks that the system takes back when their holder dies."""

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
PATIENCE_SECONDS = 900.0  # the longest that a living holder needs: an upload of a model


def lock_path(what: str, name: str) -> Path:
    """The file that is locked; it stays, for who removes it may cut a waiter off from a holder."""
    return home() / "locks" / what / f"{quote(name, safe='')}.lock"


def lock_place() -> str:
    """Which machine and store a lock holds for: here it keeps all others out, elsewhere it may not."""
    return f"{socket.gethostname()}:{home()}"


@contextmanager
def locked(what: str, name: str, *, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Let no other thread or process of this store do the same meanwhile.

    It is the kernel's lock on an open file, so it ends with the process that
    holds it, however that ends. It does not know of another store.

    Args:
        what: What is changed: ``versions`` or ``champion``. A registration,
            which may upload for minutes, keeps no rollback waiting.
        name: The model.
        patience_seconds: How long to wait for another.

    Raises:
        OSError: If another holds it for too long, with its process, or the file system has no such locks.
    """
    path = lock_path(what, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A soft lock, which filelock takes where there is no flock, would outlive its holder.
    lock = FileLock(path, fallback_to_soft=False)
    try:
        _acquire(lock, path, name, patience_seconds)
    except Timeout:
        raise OSError(
            f"{name}: {_holder(path)} has held {path} for {patience_seconds:.0f} s; wait for it, or end it"
        ) from None
    try:
        path.write_text(
            f"process {os.getpid()} on {socket.gethostname()}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        )
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
