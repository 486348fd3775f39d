"""The process that ``isolation.py`` starts: it runs a registered version without our packages.

It is started by its path with a folder: it reads ``job.json``, the version's
files and the tables of rows there, and writes the answers and measurements.
"""

import atexit
import gc
import json
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

# Hidden, because a version brings its own code under another name.
for ours in ("refrain", "flows", "tasks", "rnn_models", "data"):
    sys.modules[ours] = None  # type: ignore[assignment]

import mlflow
import numpy as np
import pandas as pd

# The last collections of an interpreter with so many modules take seconds.
atexit.register(gc.freeze)
# Of the rows that are timed one by one.
MAX_SINGLE_ROWS = 100
MAX_SECONDS = 2.0


def refuse_connection(*_: object) -> NoReturn:
    """Replace ``connect``: a model needs no network."""
    raise OSError("a model tried to reach the network")


def predict(model: Any, rows: pd.DataFrame, params: dict[str, Any]) -> pd.DataFrame:
    """Let a model answer rows."""
    answers: pd.DataFrame = model.predict(rows, params) if params else model.predict(rows)
    return answers


def speed(model: Any, rows: pd.DataFrame, params: dict[str, Any]) -> dict[str, float]:
    """Measure rows per second of all rows together, and percentiles of milliseconds per row."""
    started = time.perf_counter()
    predict(model, rows, params)
    measured = {"rows_per_second": len(rows) / (time.perf_counter() - started)}
    seconds: list[float] = []
    while len(seconds) < MAX_SINGLE_ROWS and sum(seconds) < MAX_SECONDS:
        row = rows.iloc[[len(seconds) % len(rows)]]
        started = time.perf_counter()
        predict(model, row, params)
        seconds.append(time.perf_counter() - started)
    p50, p99 = np.percentile(seconds, [50, 99]) * 1000
    return measured | {
        "p50_milliseconds": float(p50),
        "p99_milliseconds": float(p99),
        "single_rows": len(seconds),
    }


def main(folder: Path) -> None:
    """Load a version without a network, and let it answer all calls of a job."""
    job = json.loads((folder / "job.json").read_text())
    model_folder = folder / "model"
    socket.socket.connect = refuse_connection  # type: ignore[method-assign]
    model = mlflow.pyfunc.load_model(str(model_folder))
    tables = [
        pd.read_parquet(folder / f"rows-{number}.parquet") for number in range(len(job["params"]))
    ]
    measured: dict[str, float] = {}
    if job["is_timed"]:
        predict(model, tables[0].iloc[:1], job["params"][0])
        measured["cold_start_seconds"] = time.time() - job["started"]
        files = (path for path in model_folder.rglob("*") if path.is_file())
        measured["megabytes"] = sum(path.stat().st_size for path in files) / 1e6
    for number, (rows, params) in enumerate(zip(tables, job["params"], strict=True)):
        predict(model, rows, params).to_parquet(folder / f"answers-{number}.parquet")
    if job["is_timed"]:
        measured |= speed(model, tables[0], job["params"][0])
    (folder / "measured.json").write_text(json.dumps(measured))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except Exception as error:  # of any kind: the waiting process reports it
        (Path(sys.argv[1]) / "failed.txt").write_text(
            " ".join(str(error).split()) or type(error).__name__
        )
        traceback.print_exc()
        raise SystemExit(1) from None
