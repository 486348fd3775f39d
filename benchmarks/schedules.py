"""Schedules under ``refrain up``: an empty store, with a schedule of one run a minute.

``python -m benchmarks.schedules`` waits for ten slots, counts the runs that completed, compares the
lines on a run's page with those that the same retraining prints in a terminal, and adds up the
memory of all processes.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from benchmarks.lib.figures import ROOT, Figure, figure, main, write
from refrain.deployments import Server
from refrain.services import free_port

NUM_SLOTS = 10
PATIENCE_SECONDS = 600
# A line of the terminal: time, dataset, stage, message (refrain/progress.py).
DATASET_COLUMN = 10
MESSAGE_COLUMN = 36
FAULT = re.compile(r"\b(?:WARNING|ERROR|CRITICAL|Traceback)\b|Error:")
SETTINGS = {"training": {"max_epochs": 1, "hidden_size": 8, "embedding_size": 8}}
COMMAND = "python -m benchmarks.schedules"


def write_dataset(folder: Path) -> Path:
    """A catalog with one dataset of our own making, which grows with every slot."""
    rows = folder / "rows"
    rows.mkdir()
    (rows / "first.csv").write_text("text,label\n" + "".join(rows_from(0, 400)))
    entry = {
        "problem": "sentiment",
        "language": "xx",
        "licence": "ours",
        "origin": "made for the benchmark",
        "tokenizer": "words",
        "source": {"kind": "files", "paths": {"all": "rows/*.csv"}},
        "format": {"kind": "csv"},
        "columns": {"text": "text", "label": "label"},
        "splits": {"validation": 0.15, "test": 0.2},
        "settings": SETTINGS,
    }
    path = folder / "catalog.yaml"
    path.write_text(yaml.safe_dump({"made": entry}))
    return path


def rows_from(start: int, num: int) -> list[str]:
    """Rows whose label follows from their last word."""
    return [
        f"row n{i} {('lumo', 'grak')[i % 2]},{('pos', 'neg')[i % 2]}\n"
        for i in range(start, start + num)
    ]


def memory_megabytes(store: Path) -> float:
    """Sum the memory of a store's processes; shared memory counts once (proportional set size)."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"REFRAIN_HOME={store}".encode() in (process / "environ").read_bytes().split(b"\0"):
                lines = (process / "smaps_rollup").read_text().splitlines()
                total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except OSError:
            continue
    return total / 1024


def wait_until(condition: Any, what: str) -> Any:
    """Wait for a result that is not empty."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen in {PATIENCE_SECONDS} s")
        time.sleep(0.5)
    return found


def completed(server: Server, deployment: str) -> list[dict[str, Any]]:
    """Scheduled runs of a deployment that completed, the first first."""
    chosen = {"deployment_id": {"any_": [deployment]}, "state": {"type": {"any_": ["COMPLETED"]}}}
    runs = server.call(
        "POST", "flow_runs/filter", {"sort": "EXPECTED_START_TIME_ASC", "flow_runs": chosen}
    )
    return [run for run in runs if run["auto_scheduled"]]


def share_of_lines(server: Server, run: dict[str, Any], screen: str) -> float:
    """Compute the share of a terminal's lines that a run's page has, without numbers and times."""
    body = {"logs": {"flow_run_id": {"any_": [run["id"]]}}, "limit": 200}
    page = {kind(line["message"]) for line in server.call("POST", "logs/filter", body)}
    shown = {
        kind(line[MESSAGE_COLUMN:])
        for line in screen.splitlines()
        if line[DATASET_COLUMN:MESSAGE_COLUMN].split(" ")[0] == "made"
    }
    return len(shown & page) / len(shown) if shown else 0.0


def kind(line: str) -> str:
    """The first words of a line, without numbers."""
    return " ".join(word for word in line.split() if word.isalpha())[:24]


def print_faults(logs: Path) -> None:
    """Print each error and warning of the servers' logs."""
    for log in sorted(logs.glob("*.log")):
        lines = log.read_text(errors="replace").splitlines()
        faults = [line for line in lines if FAULT.search(line)]
        print(f"-- {log.name}: {len(lines)} lines, {len(faults)} errors and warnings")
        for line in faults:
            print(f"   {line[:300]}")


def measure() -> list[Figure]:
    """Start everything, wait for the slots, and stop it."""
    with tempfile.TemporaryDirectory(prefix="refrain-schedules-") as folder:
        catalog = write_dataset(Path(folder))
        store = Path(folder) / "store"
        environment = os.environ | {
            "REFRAIN_HOME": str(store),
            "REFRAIN_CATALOG": str(catalog),
            "COLUMNS": "200",
        }
        ports = [str(free_port()) for _ in range(2)]
        command = [
            sys.executable,
            "-m",
            "refrain",
            "up",
            "--prefect-port",
            ports[0],
            "--mlflow-port",
            ports[1],
        ]
        screen = Path(folder) / "screen"
        started = time.monotonic()
        with screen.open("w") as file:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=file)
        try:
            wait_until(
                lambda: "Ctrl-C stops all" in screen.read_text() or process.poll() is not None,
                "the start",
            )
            up_seconds = time.monotonic() - started
            time.sleep(20)  # until the worker has settled
            megabytes = memory_megabytes(store)
            kept = (store / "up.env").read_text()
            auth = kept.partition("export PREFECT_API_AUTH_STRING=")[2].split()[0]
            server = Server(f"http://127.0.0.1:{ports[0]}/api", auth)
            found = _fire(server, catalog, environment)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
        print_faults(store / "logs")
    fired, lines = found
    return [
        figure(
            "scheduled_runs_fired",
            fired,
            unit=f"of {NUM_SLOTS} slots",
            goal=NUM_SLOTS,
            better="higher",
            command=COMMAND,
            note="runs of a schedule of one a minute that started by themselves and completed",
        ),
        figure(
            "log_lines_on_run_page",
            lines,
            unit="share",
            goal=1,
            better="higher",
            command=COMMAND,
            note="kinds of lines of a retraining in a terminal that the run page has as well",
        ),
        figure(
            "up_megabytes",
            megabytes,
            unit="MB",
            goal=1300,
            better="lower",
            command=COMMAND,
            note="proportional set size of all processes of `refrain up`, no run at work",
        ),
        figure(
            "up_seconds",
            up_seconds,
            unit="s",
            goal=30,
            better="lower",
            command=COMMAND,
            note="until both dashboards answer and all deployments are applied, in an empty store",
        ),
    ]


def _fire(server: Server, catalog: Path, environment: dict[str, str]) -> tuple[int, float]:
    """Add the schedule as the dashboard does, add rows before each slot, count completed slots."""
    deployment = next(
        found for found in server.deployments() if found["name"] == "rotten_tomatoes"
    )["id"]
    parameters = {"dataset": "made", "catalog": str(catalog)}
    schedule = {
        "schedule": {"cron": "* * * * *", "timezone": "UTC"},
        "active": True,
        "parameters": parameters,
    }
    added: Any = [schedule]  # this route takes a list, the others that Server calls take objects
    server.call("POST", f"deployments/{deployment}/schedules", added)
    first = (datetime.now(UTC) + timedelta(minutes=1)).replace(second=0, microsecond=0)
    for slot in range(NUM_SLOTS):
        (catalog.parent / "rows" / f"more-{slot}.csv").write_text(
            "text,label\n" + "".join(rows_from(1000 + 10 * slot, 10))
        )
        time.sleep(
            max(0.0, (first + timedelta(minutes=slot) - datetime.now(UTC)).total_seconds() + 30)
        )
    last = first + timedelta(minutes=NUM_SLOTS - 1)
    slots = {(first + timedelta(minutes=slot)).strftime("%H:%M") for slot in range(NUM_SLOTS)}
    deadline = last + timedelta(minutes=3)
    while datetime.now(UTC) < deadline:
        runs = [
            run
            for run in completed(server, deployment)
            if run["expected_start_time"][11:16] in slots
        ]
        if len(runs) == NUM_SLOTS:
            break
        time.sleep(2)
    alone = environment | {"REFRAIN_HOME": str(catalog.parent / "alone")}
    words = [sys.executable, "-m", "refrain", "run", "made"]
    screen = subprocess.run(
        words, cwd=ROOT, env=alone, capture_output=True, text=True, check=True
    ).stderr
    return len(runs), share_of_lines(server, runs[0], screen) if runs else 0.0


if __name__ == "__main__":
    found = measure()
    print(json.dumps({item.figure: item.value for item in found}, indent=2))
    write("cases", found)
    main()
