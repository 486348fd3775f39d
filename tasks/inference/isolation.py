"""A registered version in a process of its own, with its own modules and without our packages.

Two versions whose code differs would share ``sys.modules`` in one process, and
nobody would notice a version that works only beside this repository. Tables go
in and out as Parquet files of a temporary folder.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from rnn_models.devices import num_threads
from tasks.registry.registered_model import download, plain
from tasks.store.installation import ROOT
from tasks.store.temporary import temporary_folder
from tasks.store.tied_process import tied

log = logging.getLogger(__name__)
MAIN = ROOT / "tasks" / "inference" / "isolated_worker.py"
# A large test split takes minutes; a process that hangs must not keep a flow run for ever.
TIMEOUT_SECONDS = 2 * 3600
Call = tuple[pd.DataFrame, Mapping[str, Any]]  # raw rows and request parameters


@dataclass(frozen=True)
class Answers:
    """The answers of a version to each call and, on request, its speed and size."""

    tables: list[pd.DataFrame]
    speed: dict[str, float] = field(default_factory=dict)


def predict_apart(
    name: str, number: str, rows: pd.DataFrame, params: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """Let a registered version answer raw rows in a process of its own."""
    return run_apart(name, number, [(rows, params or {})]).tables[0]


def run_apart(name: str, number: str, calls: Sequence[Call], *, is_timed: bool = False) -> Answers:
    """Fetch a registered version and let it answer in its own process; the first call is timed.

    Raises:
        ValueError: If it failed, with the last line of its output.
    """
    with temporary_folder("apart") as folder:
        for call, (rows, _) in enumerate(calls):
            rows.to_parquet(folder / f"rows-{call}.parquet")
        download(name, number, folder / "model")
        job = {
            "params": [dict(params) for _, params in calls],
            "is_timed": is_timed,
            "started": time.time(),
        }
        (folder / "job.json").write_text(json.dumps(job))
        failure = _failure_of(folder)
        if failure:
            raise ValueError(
                f"{name} version {number} did not run in a process of its own: {failure}"
            )
        tables = [_read(folder / f"answers-{call}.parquet") for call in range(len(calls))]
        return Answers(tables, json.loads((folder / "measured.json").read_text()))


def _read(path: Path) -> pd.DataFrame:
    """Read answers, with lists in place of the arrays of Parquet: a metric compares them."""
    table = pd.read_parquet(path)
    return table.assign(
        **{name: table[name].map(plain) for name in table if table[name].dtype == object}
    )


def _failure_of(folder: Path) -> str:
    """Run the process on a folder, and give its error in a line; empty if it succeeded."""
    # -P: modules are searched neither in the folder of the script nor in the current one.
    command = tied([sys.executable, "-P", "-B", str(MAIN), str(folder)], signal.SIGKILL)
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"it took more than {TIMEOUT_SECONDS / 60:.0f} minutes"
    if done.returncode == 0:
        return ""
    log.debug("output of the process of a version: %s", done.stderr)
    failure = folder / "failed.txt"
    if failure.exists():
        return failure.read_text()
    if done.returncode < 0:
        return f"signal {-done.returncode} ended it, as it does where memory is short"
    return (done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"])[-1]


def environment() -> dict[str, str]:
    """Make the environment of the process: ours, without pickles and without our packages."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    kept = os.pathsep.join(path for path in paths if path and Path(path).resolve() != ROOT)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(num_threads()))
    return (
        os.environ | threads | {"PYTHONPATH": kept, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    )
