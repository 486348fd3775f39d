"""Leases: each process that works on a store writes who it is, so others can tell if it is gone.

A lease is a file in ``leases``, named by a digest of host, boot, process id and
start. On the same boot of the same machine the kernel knows whether that process
still runs, however busy it is. For another machine, the age of the last
heartbeat counts.
"""

import json
import os
import socket
import threading
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from tasks.store.code import digest
from tasks.store.durable import write_json
from tasks.store.home import home

BEAT_SECONDS = 60.0
SILENT_SECONDS = 15 * 60.0  # of a process on another machine, before it counts as gone
KEPT_SECONDS = 30 * 86400.0  # of the lease of a process that is gone: its runs name it
BOOT = Path("/proc/sys/kernel/random/boot_id")
NAMESPACE = Path("/proc/self/ns/pid")  # two containers of one machine count processes apart
STARTED = 19  # field 22 of /proc/PID/stat, counted after the name of the program


@dataclass(frozen=True)
class Lease:
    """Who a process is: host, boot with its namespace, process id, and start in clock ticks.

    ``parent`` is the process that started it, such as a worker; 0 in the leases of early releases.
    """

    host: str
    boot: str
    process: int
    started: str
    parent: int = 0

    @property
    def key(self) -> str:
        """The name of the lease."""
        return digest(self.host, self.boot, self.process, self.started)

    @property
    def path(self) -> Path:
        """The file of the lease."""
        return folder() / f"{self.key}.json"

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}"

    def is_gone(self) -> bool:
        """Tell whether the process has ended."""
        here = _me()
        if (self.host, self.boot) == (here.host, here.boot):
            return started_of(self.process) != self.started
        try:
            silent = mine().path.stat().st_mtime - self.path.stat().st_mtime
        except FileNotFoundError:
            return False  # never seen here: nothing is known about it
        return silent > SILENT_SECONDS


def folder() -> Path:
    """Return the folder of all leases."""
    return home() / "leases"


def started_of(process: int) -> str:
    """Read when a process started, in clock ticks since the boot; empty if it is gone."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "" if Path("/proc/self/stat").exists() else _started_without_proc(process)
    return "" if fields[0] in "ZX" else fields[STARTED]  # a zombie does nothing any more


def _started_without_proc(process: int) -> str:
    """Tell at least whether a process exists, where the kernel shows no files of processes."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass  # it exists, and another user started it
    return "exists"


def _me() -> Lease:
    process = os.getpid()
    return Lease(socket.gethostname(), _boot(), process, started_of(process), os.getppid())


@cache
def _boot() -> str:
    boot = BOOT.read_text().strip() if BOOT.exists() else ""
    space = str(NAMESPACE.readlink()) if NAMESPACE.exists() else ""
    return f"{boot} {space}".strip()


def mine() -> Lease:
    """Take a lease of the store for this process, once, and keep its heartbeat going."""
    return _taken(str(home()), os.getpid())


@cache
def _taken(store: str, process: int) -> Lease:
    lease = _me()
    write_json(lease.path, asdict(lease))
    threading.Thread(target=_beat, args=(lease.path,), name="heartbeat", daemon=True).start()
    return lease


def _beat(path: Path) -> None:
    while True:
        time.sleep(BEAT_SECONDS)
        try:
            os.utime(path)
        except OSError:  # the store was removed, or its disk is away for a moment
            continue


def find_lease(key: str) -> Lease | None:
    """Find a lease by its name; None if this store has none of that name that can be read."""
    try:
        return Lease(**json.loads((folder() / f"{key}.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def children_of(process: int) -> list[Lease]:
    """List the leases of the running processes that a process of this machine has started."""
    here = _me()
    found = (find_lease(path.stem) for path in folder().glob("*.json"))
    return [
        lease
        for lease in found
        if lease is not None
        and (lease.host, lease.boot, lease.parent) == (here.host, here.boot, process)
        and not lease.is_gone()
    ]


def drop_old() -> None:
    """Remove the leases of processes that have been gone for a month."""
    for path in folder().glob("*.json"):
        lease = find_lease(path.stem)
        age = time.time() - path.stat().st_mtime
        if age > KEPT_SECONDS and (lease is None or lease.is_gone()):
            path.unlink(missing_ok=True)
