"""Temporary folders in the store, one folder per process: a sweep removes those of killed ones."""

import atexit
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tasks.store.home import home
from tasks.store.leases import drop_old, find_lease, mine

log = logging.getLogger(__name__)
UNFINISHED_SECONDS = 6 * 3600.0  # of a download, which names no process of this store
WRITE_SECONDS = 15 * 60.0  # far more than one small file takes (durable.py)


def private_folder() -> Path:
    """Return the folder of this process for temporary files; it ends with the process."""
    path = home() / "tmp" / mine().key
    path.mkdir(parents=True, exist_ok=True)
    _remove_at_exit(path)
    return path


@cache
def _remove_at_exit(path: Path) -> None:
    atexit.register(shutil.rmtree, path, ignore_errors=True)


@contextmanager
def temporary_folder(purpose: str) -> Iterator[Path]:
    """Provide a temporary folder in the store, and remove it at the end."""
    with tempfile.TemporaryDirectory(prefix=f"{purpose}-", dir=private_folder()) as name:
        yield Path(name)


def use_for_libraries() -> None:
    """Let MLflow, other libraries and child processes put their temporary files there too."""
    os.environ["TMPDIR"] = str(private_folder())
    tempfile.tempdir = str(private_folder())  # Python reads the variable once, early


def sweep_files() -> None:
    """Remove the temporary files of processes that are gone, and leases that are old."""
    for path in (home() / "tmp").glob("*"):
        lease = find_lease(path.name)
        if lease and lease.is_gone():
            shutil.rmtree(path, ignore_errors=True)
            log.info("removed temporary files of %s, which is gone", lease)
    for path in (home() / "downloads").rglob("partial-*"):
        if path.is_dir() and time.time() - path.stat().st_mtime > UNFINISHED_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
    drop_old()


def sweep_unfinished_writes() -> None:
    """Remove the small files that a kill left before they got their names.

    They stand beside the file that they would become, and name no process. All folders of the
    store are read, so this is for an hourly run and not for the start of each.
    """
    for path in (*home().glob("*/*.partial"), *home().glob("*/*/*.partial")):
        if path.is_file() and time.time() - path.stat().st_mtime > WRITE_SECONDS:
            path.unlink(missing_ok=True)
            log.info("removed %s, which was never finished", path)


def sweep_services() -> None:
    """Remove what the servers and the worker of an earlier ``refrain up`` left.

    Call it under the lock of ``refrain up``: nothing else writes there without a lease.
    """
    for path in (home() / "tmp").glob("*"):
        if find_lease(path.name) is None:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
