"""The machine: free disk and memory, and ports that ``refrain up`` needs."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from refrain.doctor.finding import ERROR, WARNING, Finding
from refrain.doctor.surroundings import Surroundings
from refrain.services import check_port
from tasks.store.home import home

GIGABYTE = 1e9
PORTS = {"Prefect dashboard": (4200, "--prefect-port"), "MLflow UI": (5000, "--mlflow-port")}
GROUP = Path("/sys/fs/cgroup")  # of a container: its limit is below the machine's memory


def check_disk(seen: Surroundings) -> Iterator[Finding]:
    """Check that the store's disk has room and can be written."""
    folder = next(path for path in (home(), *home().parents) if path.exists())
    free = shutil.disk_usage(folder).free / GIGABYTE
    if free < seen.disk_gigabytes:
        yield Finding(
            WARNING,
            f"the disk of {home()} has {free:.1f} GB left, less than {seen.disk_gigabytes:g} GB",
            "refrain prune lists what the store no longer needs",
        )
    if not os.access(folder, os.W_OK):
        text = f"{folder} cannot be written by this user"
        yield Finding(ERROR, text, "change its owner, or set REFRAIN_HOME to another folder")


def check_memory(seen: Surroundings) -> Iterator[Finding]:
    """Check that a training finds some memory."""
    free = free_memory()
    if free is not None and free < seen.memory_gigabytes * GIGABYTE:
        yield Finding(
            WARNING,
            f"{free / GIGABYTE:.1f} GB of memory are free, less than {seen.memory_gigabytes:g} GB",
            "end other programs, or lower training.batch_size and training.batch_tokens",
        )


def free_memory() -> float | None:
    """Return the bytes of memory that programs may still take; None where it is not known."""
    found = [bytes_ for bytes_ in (_of_machine(), _of_container()) if bytes_ is not None]
    return min(found, default=None)


def _of_machine() -> float | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except FileNotFoundError:
        return None
    return next(
        (int(line.split()[1]) * 1024.0 for line in lines if line.startswith("MemAvailable:")), None
    )


def _of_container() -> float | None:
    try:
        limit = (GROUP / "memory.max").read_text().strip()
        used = int((GROUP / "memory.current").read_text())
        lines = (GROUP / "memory.stat").read_text().splitlines()
    except (OSError, ValueError):
        return None
    cached = next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)
    return None if limit == "max" else float(int(limit) - used + cached)


def check_ports(seen: Surroundings) -> Iterator[Finding]:
    """Check that ``refrain up`` would find its ports free, if it does not run."""
    if seen.up.is_running:
        return
    for name, (default, option) in PORTS.items():
        port = urlsplit(seen.up.addresses.get(name, "")).port or default
        try:
            check_port(port, f"the {name}", option)
        except ValueError as error:
            fault, _, remedy = str(error).partition(". ")
            yield Finding(WARNING, fault, remedy)
