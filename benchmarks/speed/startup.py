"""How long the command line takes to answer, and a retraining to its first training step.

The second is counted from the flow's first task, when the engine is up, on
files that lie here: reading, checking, splitting and tokenizing are within.
"""

import os
import statistics
import subprocess
import sys
import time
from typing import Any
from unittest.mock import patch

from benchmarks.lib.figures import ROOT, Figure, figure
from benchmarks.lib.goals import Wanted

COMMAND = "python -m benchmarks.speed startup"
TIMES = 7
DATASET = "sst2_sentences"
WANTED = (
    Wanted("help_seconds", "`refrain --help`", 0.5, "s"),
    Wanted(
        "first_step_seconds",
        "`refrain run` from the engine's being up to the first training step",
        10,
        "s",
    ),
)


def help_seconds() -> list[float]:
    """Seconds of ``refrain --help``, some times, after once to warm up."""
    found = []
    for _ in range(TIMES + 1):
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "refrain", "--help"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        found.append(time.perf_counter() - started)
    return found[1:]


def first_step_seconds() -> float:
    """Time a flow's first task to its first training step, in a new process and store."""
    from benchmarks.data.real_sets import own_store

    with own_store():
        command = [sys.executable, "-m", "benchmarks.speed.startup"]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.strip().splitlines()[-1])


def run_to_first_step() -> None:
    """Start ``refrain run``, print the seconds up to the first step, and end."""
    from refrain.environment import prepare

    os.environ["PYTHONPATH"] = str(ROOT)
    prepare(PREFECT_LOGGING_LEVEL="CRITICAL")
    from flows import retrain
    from rnn_models.training.training_state import Training
    from tasks.ingest import ingest

    step = Training.train_step
    started = 0.0

    def first_task(*args: Any, **kwargs: Any) -> Any:
        nonlocal started
        started = time.perf_counter()
        return ingest(*args, **kwargs)

    def first_step(*args: Any, **kwargs: Any) -> Any:
        step(*args, **kwargs)
        print(time.perf_counter() - started, flush=True)
        raise SystemExit(0)

    with (
        patch.object(retrain, "ingest", first_task),
        patch.object(Training, "train_step", first_step),
    ):
        retrain.retrain(DATASET, catalog=str(ROOT / "benchmarks/data/datasets.yaml"))


def figures() -> list[Figure]:
    """Both as figures with their goals."""
    helped = help_seconds()
    stepped = [first_step_seconds() for _ in range(3)]
    values = (
        (helped, f"median of {TIMES}, {min(helped):.2f} to {max(helped):.2f}"),
        (
            stepped,
            f"`{DATASET}`, a fresh store, median of 3, {min(stepped):.1f} to "
            f"{max(stepped):.1f}; ingestion is within",
        ),
    )
    return [
        figure(
            item.figure,
            statistics.median(found),
            unit=item.unit,
            goal=item.goal,
            better="lower",
            command=COMMAND,
            note=note,
        )
        for item, (found, note) in zip(WANTED, values, strict=True)
    ]


if __name__ == "__main__":
    run_to_first_step()
