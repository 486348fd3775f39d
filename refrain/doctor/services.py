"""The programs of ``refrain up``: servers that respond, a worker that is alive, logs."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from refrain.doctor.finding import ERROR, WARNING, Finding
from refrain.doctor.surroundings import Surroundings, fault_of
from refrain.prefect_lists import POOL
from refrain.services import FAULT, kind_of
from tasks.store.home import home

RESTART = "stop `refrain up` with Ctrl-C and start it again"
TRACE = "Traceback (most recent call last)"
SHOWN_FAULTS = 3  # different messages of one log
SILENT_BEATS = 3  # heartbeats that a worker misses before it counts as gone


def check_servers(seen: Surroundings) -> Iterator[Finding]:
    """Check that the servers run, respond, and take this store's password."""
    if not seen.up.is_running and seen.up.process:
        text = f"`refrain up` was killed (process {seen.up.process}), so no schedule fires"
        yield Finding(ERROR, text, "refrain up")
    elif not seen.up.is_running and seen.up.addresses and not seen.api:
        yield Finding(WARNING, "`refrain up` is stopped, so no schedule fires", "refrain up")
    if seen.api and seen.prefect_fault:
        text = f"the Prefect server at {seen.api} does not respond ({seen.prefect_fault})"
        yield Finding(ERROR, text, f"read {home() / 'logs' / 'prefect-server.log'}; {RESTART}")
    elif seen.api:
        yield from _wrong_password(seen)
    if seen.up.is_running and (fault := fault_of(f"{seen.up.mlflow}/health", b"OK")):
        text = f"the MLflow server at {seen.up.mlflow} does not respond ({fault})"
        yield Finding(ERROR, text, f"read {home() / 'logs' / 'mlflow-server.log'}; {RESTART}")


def _wrong_password(seen: Surroundings) -> Iterator[Finding]:
    from refrain.engine import check_password

    try:
        check_password(seen.api)
    except ValueError as error:
        yield Finding(ERROR, str(error), f"source {home() / 'up.env'}")


def check_logs(seen: Surroundings) -> Iterator[Finding]:
    """Read the whole logs of the servers and the worker since they started."""
    del seen
    for name in ("prefect-server", "mlflow-server", "worker"):
        path = home() / "logs" / f"{name}.log"
        for message, number in _faults(path).most_common(SHOWN_FAULTS):
            times = f" ({number} times)" if number > 1 else ""
            # The worker's log has the errors of flow runs too, such as of a bad delivery.
            level = WARNING if name == "worker" else ERROR
            remedy = f"read {path}; {RESTART}, and the log begins anew"
            yield Finding(level, f"{path.name}: {message}{times}", remedy)


def _faults(path: Path) -> Counter[str]:
    """Count the errors in a log by their message, numbers left out."""
    found: Counter[str] = Counter()
    shown: dict[str, str] = {}
    if path.is_file():
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if FAULT.search(line):
                    found[shown.setdefault(kind_of(line), line.strip()[:200])] += 1
    # The line before a traceback has the reason.
    named = Counter({line: num for line, num in found.items() if not line.startswith(TRACE)})
    return named or found


def check_worker(seen: Surroundings) -> Iterator[Finding]:
    """Check the work pool, and that a worker takes flow runs from it."""
    if not seen.up.is_running or seen.prefect_fault:
        return
    pools = seen.listed("/work_pools/filter", {})
    pool = next((each for each in pools if each["name"] == POOL), None)
    if pool is None:
        yield Finding(ERROR, f"there is no work pool {POOL}, so no flow run starts", RESTART)
        return
    if pool["is_paused"]:
        text = f"the work pool {POOL} is paused, so no flow run starts"
        yield Finding(WARNING, text, f"prefect work-pool resume {POOL}, or in the dashboard")
    workers = seen.listed(f"/work_pools/{POOL}/workers/filter", {})
    if not any(_is_alive(worker) for worker in workers):
        text = f"no worker of the work pool {POOL} is alive, so no flow run starts"
        yield Finding(ERROR, text, f"read {home() / 'logs' / 'worker.log'}; {RESTART}")


def _is_alive(worker: dict[str, Any]) -> bool:
    beat = worker["last_heartbeat_time"]
    if not beat:
        return False
    silent = (datetime.now(UTC) - datetime.fromisoformat(beat)).total_seconds()
    return silent <= SILENT_BEATS * (worker["heartbeat_interval_seconds"] or 30)
