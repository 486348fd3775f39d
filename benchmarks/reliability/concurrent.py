"""Twelve processes that retrain one dataset at once in a fresh store.

``python -m benchmarks.reliability.concurrent``, with ``--dry`` to write no figures and
``--num N`` for another number of processes.
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.lib.figures import Figure, figure
from benchmarks.reliability.apart import Ended, Running
from benchmarks.reliability.outcome import finish
from benchmarks.reliability.small_store import STAGES, result, write_catalog
from tasks.ingestion.snapshot_log import SnapshotLog
from tasks.promotion.ledger import Ledger
from tasks.registry.mlflow_client import client, experiment
from tasks.registry.versions import versions_of

NUM_PROCESSES = 12
SECONDS = 1800.0
DATASET = "sentiment"
COMMAND = "python -m benchmarks.reliability.concurrent"


def counted() -> dict[str, int]:
    """Count what must be there once."""
    return {
        "snapshots": len(SnapshotLog.of(DATASET).ingestions),
        "MLflow runs": len(client().search_runs([experiment(DATASET)])),
        "versions": len(versions_of(DATASET)),
        "ledger lines": len(Ledger.of(DATASET).lines),
    }


def errors_of(ended: list[Ended], found: Ended) -> list[str]:
    """List what went wrong: failed processes, other results, and what was made twice."""
    errors = [each.error for each in ended if each.error]
    results = Counter(str(each.result) for each in ended if not each.error)
    errors += [f"another result: {text}" for text, _ in results.most_common()[1:]]
    once: dict[str, Any] = found.result or {}
    return (
        errors
        + [f"{num} {what}, expected 1" for what, num in once.items() if num != 1]
        + ([found.error] if found.error else [])
    )


def measure(num: int) -> list[Figure]:
    """Start the processes at once, and look at what they made."""
    with tempfile.TemporaryDirectory(prefix="concurrent-") as name:
        store = Path(name) / "store"
        catalog = write_catalog(Path(name))
        started = [Running(store, result, DATASET, catalog) for _ in range(num)]
        ended = [each.ended(SECONDS) for each in started]
        errors = errors_of(ended, Running(store, counted).ended(SECONDS))
    for error in errors:
        print(error, flush=True)
    note = f"{num * len(STAGES)} stage runs ({', '.join(STAGES)}) of one dataset by {num} processes"
    return [
        figure(
            "concurrent_errors",
            len(errors),
            unit="errors",
            goal=0,
            better="lower",
            command=COMMAND,
            note=note,
        )
    ]


if __name__ == "__main__":
    number = int(sys.argv[sys.argv.index("--num") + 1]) if "--num" in sys.argv else NUM_PROCESSES
    finish(lambda: measure(number))
