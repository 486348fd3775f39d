"""What flushing and digests cost, as a share of a small retraining.

``python -m benchmarks.reliability.durability_cost``, with ``--dry`` to write no figures.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.lib.figures import Figure
from benchmarks.reliability.apart import Running
from benchmarks.reliability.outcome import fine_figure, finish
from benchmarks.reliability.small_store import retrain, settings, write_catalog
from tasks.store import checksums, durable

NUM_ROWS = 6000
NUM_EPOCHS = 4
HIDDEN_SIZE = 64
SECONDS = 3600.0
COMMAND = "python -m benchmarks.reliability.durability_cost"


class Stopwatch:
    """Sum the time within some functions; a call within another one counts once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.depth = 0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same and is timed."""

        def call(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            self.depth += 1
            try:
                return function(*args, **kwargs)
            finally:
                self.depth -= 1
                if not self.depth:
                    self.seconds += time.perf_counter() - started

        return call


def costs(catalog: Path) -> tuple[float, float]:
    """Retrain, and return the seconds of flushes and digests, and all seconds."""
    watch = Stopwatch()
    chosen = settings(max_epochs=NUM_EPOCHS, hidden_size=HIDDEN_SIZE, embedding_size=HIDDEN_SIZE)
    with (
        patch.object(durable, "flush", watch.timed(durable.flush)),
        patch.object(durable, "flush_names", watch.timed(durable.flush_names)),
        patch.object(durable, "rename", watch.timed(durable.rename)),
        patch.object(checksums, "file_sum", watch.timed(checksums.file_sum)),
    ):
        started = time.perf_counter()
        retrain("sentiment", catalog, chosen)
        return watch.seconds, time.perf_counter() - started


def measure() -> list[Figure]:
    """Retrain once, in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="durability-") as name:
        catalog = write_catalog(Path(name), num_rows=NUM_ROWS)
        ended = Running(Path(name) / "store", costs, catalog).ended(SECONDS)
    if ended.error:
        raise SystemExit(f"the retraining failed: {ended.error}")
    cost, seconds = ended.result
    note = f"{cost:.2f} s of flushes and digests in a retraining of {seconds:.0f} s"
    return [
        fine_figure(
            "durability_cost_share",
            cost / seconds,
            unit="of a retraining",
            goal=0.01,
            better="lower",
            command=COMMAND,
            note=note,
        )
    ]


if __name__ == "__main__":
    finish(measure)
