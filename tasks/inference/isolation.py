"""A registered version in a process of its own: with its own modules, and without our packages.

Two versions whose code differs would share ``sys.modules`` in one process, and
a version that works only beside this repository would not be found out. Tables
go in and out as Parquet files of a temporary folder.
"""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from rnn_models.devices import num_threads
from tasks.registry.registered_model import download, plain
from tasks.store.installation import ROOT

log = logging.getLogger(__name__)
MAIN = ROOT / "tasks" / "inference" / "isolated_worker.py"
TIMEOUT_SECONDS = (
    2 * 3600
)  # a large test split takes minutes; a process that hangs must not keep a flow run for ever
Call = tuple[pd.DataFrame, Mapping[str, Any]]  # raw rows, and what is asked


@dataclass(frozen=True)
class Said:
    """What a version said to each call, and, if it was asked for, how fast and how large it is."""

    tables: list[pd.DataFrame]
    speed: dict[str, float] = field(default_factory=dict)


def predict_apart(
    name: str, number: str, rows: pd.DataFrame, params: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """What a registered version says of raw rows, in a process of its own."""
    return run_apart(name, number, [(rows, params or {})]).tables[0]


def run_apart(name: str, number: str, calls: Sequence[Call], *, is_timed: bool = False) -> Said:
    """Fetch a registered version and let it answer in a process of its own; the first call is the one that is timed.

    Raises:
        ValueError: If it did not, with the last line of what the process said.
    """
    with TemporaryDirectory(prefix="refrain-apart-") as place:
        folder = Path(place)
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
        tables = [_read(folder / f"said-{call}.parquet") for call in range(len(calls))]
        return Said(tables, json.loads((folder / "told.json").read_text()))


def _read(path: Path) -> pd.DataFrame:
    """What a version said, with lists where Parquet gives arrays: a metric compares them."""
    table = pd.read_parquet(path)
    return table.assign(
        **{name: table[name].map(plain) for name in table if table[name].dtype == object}
    )


def _failure_of(folder: Path) -> str:
    """Run the process on a folder, and say what went wrong in a line; nothing if all went well."""
    # -P: neither the folder of the script nor the current one is looked at for modules.
    command = [sys.executable, "-P", str(MAIN), str(folder)]
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
    log.debug("the process of a version said: %s", done.stderr)
    told = folder / "failed.txt"
    if told.exists():
        return told.read_text()
    if done.returncode < 0:
        return f"signal {-done.returncode} ended it, as it does where memory is short"
    return (done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"])[-1]


def environment() -> dict[str, str]:
    """The environment of a version's process: ours with as many threads, pickles off, and a path to libraries alone."""
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    kept = os.pathsep.join(path for path in paths if path and Path(path).resolve() != ROOT)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(num_threads()))
    return (
        os.environ | threads | {"PYTHONPATH": kept, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    )
