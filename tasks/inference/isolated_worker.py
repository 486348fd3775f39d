"""What runs in the process that ``isolation.py`` starts: a registered version, where none of our packages can be imported.

It is started by its path with a folder: reads ``job.json``, the version's files
and the tables of rows there, and writes what the version says, and how fast.
"""

import json
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

# As if they were not installed: a version brings its own code, under a name of its own.
for ours in ("refrain", "flows", "tasks", "rnn_models", "data"):
    sys.modules[ours] = None  # type: ignore[assignment]

import mlflow
import numpy as np
import pandas as pd

MAX_SINGLE_ROWS, MAX_SECONDS = 100, 2.0  # of the rows that are timed one by one


def refuse(*_: object) -> NoReturn:
    """Stand in for what would reach out."""
    raise OSError("a model tried to reach the network")


def say(model: Any, rows: pd.DataFrame, params: dict[str, Any]) -> pd.DataFrame:
    """What a model says of rows."""
    said: pd.DataFrame = model.predict(rows, params) if params else model.predict(rows)
    return said


def speed(model: Any, rows: pd.DataFrame, params: dict[str, Any]) -> dict[str, float]:
    """Rows per second of all rows together, and milliseconds of one row alone: half of them, 99 of 100."""
    started = time.perf_counter()
    say(model, rows, params)
    told = {"rows_per_second": len(rows) / (time.perf_counter() - started)}
    seconds: list[float] = []
    while len(seconds) < MAX_SINGLE_ROWS and sum(seconds) < MAX_SECONDS:
        row = rows.iloc[[len(seconds) % len(rows)]]
        started = time.perf_counter()
        say(model, row, params)
        seconds.append(time.perf_counter() - started)
    p50, p99 = np.percentile(seconds, [50, 99]) * 1000
    return told | {
        "p50_milliseconds": float(p50),
        "p99_milliseconds": float(p99),
        "single_rows": len(seconds),
    }


def main(folder: Path) -> None:
    """Load a version without a network, and let it answer all calls of a job."""
    job, place = json.loads((folder / "job.json").read_text()), folder / "model"
    socket.socket.connect = refuse  # type: ignore[method-assign]
    model = mlflow.pyfunc.load_model(str(place))
    tables = [
        pd.read_parquet(folder / f"rows-{number}.parquet") for number in range(len(job["params"]))
    ]
    told: dict[str, float] = {}
    if job["is_timed"]:
        say(model, tables[0].iloc[:1], job["params"][0])
        told["cold_start_seconds"] = time.time() - job["started"]
        told["megabytes"] = (
            sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) / 1e6
        )
    for number, (rows, params) in enumerate(zip(tables, job["params"], strict=True)):
        say(model, rows, params).to_parquet(folder / f"said-{number}.parquet")
    if job["is_timed"]:
        told |= speed(model, tables[0], job["params"][0])
    (folder / "told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except Exception as error:  # whatever it is: the process that waits says it in one line
        (Path(sys.argv[1]) / "failed.txt").write_text(
            " ".join(str(error).split()) or type(error).__name__
        )
        traceback.print_exc()
        raise SystemExit(1) from None
