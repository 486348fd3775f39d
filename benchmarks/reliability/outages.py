"""Outages of MLflow and of Prefect's API in mid-training, by a proxy in front of both servers.

``python -m benchmarks.reliability.outages`` trains a tiny dataset again and again, while MLflow is
away for seconds or for a minute, slow, answers 500, or stays away, and compares the points that
arrived with those of the training. Then Prefect's API is away for a while and for good.
``--no-prefect --faults away`` shortens it; ``--dry`` writes nothing.
"""

import argparse
import json
import logging
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.lib.figures import Figure, figure
from benchmarks.reliability.line import FAILED, STAGES, start_line
from benchmarks.reliability.outcome import finish
from benchmarks.reliability.proxy import Mode, Proxy
from benchmarks.reliability.servers import PREFECT, environment_of, wait_until
from benchmarks.reliability.tiny_sets import TRAINING, dataset_of, write_sets
from refrain.services import free_port, running, start, wait_for
from refrain.up import mlflow_environment
from tasks.registry import mlflow_client, tracked_run
from tasks.registry.tracked_run import span_of_point
from tasks.settings import read_settings
from tasks.store.home import home

COMMAND = "python -m benchmarks.reliability.outages"
DATASET = dataset_of("ner")
LONG = TRAINING | {"max_epochs": 150, "patience": 150}
FAULTS: dict[str, tuple[Mode, float]] = {  # mode and seconds; 0 is for good
    "away": ("away", 5.0),
    "away a minute": ("away", 60.0),
    "slow": ("slow", 20.0),
    "500": ("error", 20.0),
    "for good": ("away", 0.0),
}
SHORT_SECONDS = 15.0  # of patience, where the server stays away
STEP_POINTS = tuple(
    f"train/{name}"
    for name in ("loss", "gradient_norm", "clipped_share", "learning_rate", "tokens_per_second")
)


@dataclass
class Found:
    """Tracebacks, points lost or doubled, and what went wrong in words."""

    counts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def check(self, is_right: bool, what: str) -> None:
        """Note what is wrong."""
        if not is_right:
            self.notes.append(what)

    def read(self, output: Path, what: str) -> str:
        """Count the tracebacks of an output."""
        text = output.read_text(errors="replace")
        self.counts["tracebacks"] += text.count("Traceback (most recent call last)")
        self.check("Traceback" not in text, f"{what}: a traceback in {text[-1500:]}")
        return text


def use_server(address: str, *, patience: float) -> None:
    """Let a forked process log to a server, which it gives up after some seconds."""
    os.environ |= {"MLFLOW_TRACKING_URI": address, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
    mlflow_client.CHOSEN_URI = address
    tracked_run.PATIENCE_SECONDS = patience


def try_fault(name: str, seed: int, proxy: Proxy, folder: Path, found: Found) -> None:
    """Train with a fault in the middle, and again if MLflow stayed away."""
    mode, seconds = FAULTS[name]
    settings = read_settings({"tokens": {"min_frequency": 1}, "training": LONG | {"seed": seed}})
    store = folder / "store"
    output = folder / f"{name}.txt"
    begin = partial(start_line, store, folder / "rows" / "catalog.yaml", DATASET, settings, output)
    patience = SHORT_SECONDS if seconds == 0 else 300.0
    process, stage = begin(prepare=partial(use_server, proxy.address, patience=patience))
    spool = store / "spool"
    wait_until(lambda: any(spool.glob("*/sent.json")) or not process.is_alive(), "a point")
    found.check(stage.value == STAGES.index("train"), f"{name}: the fault came too late")
    proxy.become(mode)
    process.join(seconds or None)
    proxy.become("well")
    process.join()
    text = found.read(output, name)
    if seconds == 0:
        found.check(process.exitcode == FAILED, f"{name}: status {process.exitcode}")
        is_named = "MLFLOW_TRACKING_URI" in text and proxy.address in text
        found.check(is_named, f"{name}: no variable and address in {text[-500:]}")
        process, _ = begin(prepare=partial(use_server, proxy.address, patience=300.0))
        process.join()
        found.read(output, name)
    found.check(process.exitcode == 0, f"{name}: status {process.exitcode} at the end")
    compare(name, store, folder / "mlflow.db", seed, found)


def compare(name: str, store: Path, database: Path, seed: int, found: Found) -> None:
    """Compare the points in MLflow with the history of the training."""
    for manifest in (store / "checkpoints").glob("*/manifest.json"):
        content = json.loads(manifest.read_text())
        made = content.get("artifact", content)
        if made["settings"]["seed"] != seed:
            continue
        history = json.loads((manifest.parent / "history.json").read_text())
        with closing(sqlite3.connect(database)) as connection:
            rows = connection.execute(
                "SELECT key, step FROM metrics WHERE run_uuid = ?", (made["mlflow_run"],)
            ).fetchall()
        expected = expected_points(history)
        known = {row for row in rows if row[0] in {key for key, _ in expected}}
        lost = len(expected - known)
        doubled = len(rows) - len(set(rows))
        found.counts["points"] += len(expected)
        found.counts["lost"] += lost + doubled
        found.check(not lost + doubled, f"{name}: {lost} points lost, {doubled} doubled")
        return
    found.check(False, f"{name}: no checkpoint")


def expected_points(history: dict[str, list[dict[str, float]]]) -> set[tuple[str, int]]:
    """List the points that a training makes: at the ends of spans and of epochs."""
    ends = {int(epoch["last_step"]) for epoch in history["epochs"]}
    numbers = [int(each["step"]) for each in history["steps"]]
    steps = ends | {number for number in numbers if number + 1 == span_of_point(number).stop}
    of_epochs = (
        "train/epoch_loss",
        "validation/loss",
        "train/epoch_seconds",
        "train/skipped_steps",
    )
    points = {(name, step) for step in steps for name in STEP_POINTS}
    return points | {(name, step) for step in ends for name in of_epochs}


def try_mlflow(folder: Path, faults: list[str], found: Found) -> None:
    """Cause each fault of MLflow in a training of its own."""
    write_sets(folder / "rows")
    os.environ["REFRAIN_HOME"] = str(folder)  # the server's database and log are there
    port = free_port()
    # Without the list of hosts of `refrain up`, which knows no proxy.
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--port", str(port), "--artifacts-destination", (home() / "mlartifacts").as_uri()]
    environment = os.environ | mlflow_environment()
    with running([start("mlflow-server", command, environment)]) as services:
        wait_for(f"http://127.0.0.1:{port}/health", services[0], services)
        proxy = Proxy(port)
        for seed, name in enumerate(faults, 1):
            try_fault(name, seed, proxy, folder, found)
            print(f"{name}: {dict(found.counts)}", flush=True)
        proxy.close()


def try_prefect(folder: Path, found: Found) -> None:
    """Take Prefect's API away within a training: for a while, and for good."""
    catalog = write_sets(folder / "rows")
    store = folder / "prefect-store"
    store.mkdir()
    os.environ["REFRAIN_HOME"] = str(store)
    port = free_port()
    environment = environment_of(store, catalog, {})
    command = [*PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with running([start("prefect-server", command, environment)]) as services:
        wait_for(f"http://127.0.0.1:{port}/api/health", services[0], services)
        proxy = Proxy(port)
        for name, seconds in (("Prefect away", 20.0), ("Prefect away for good", 0.0)):
            more = {"PREFECT_API_URL": f"{proxy.address}/api"}
            output = folder / f"{name}.txt"
            status = run_without_prefect(environment | more, proxy, seconds, output)
            text = found.read(output, name)
            found.check((status == 0) == (seconds > 0), f"{name}: status {status}: {text[-800:]}")
            found.check(seconds > 0 or "PREFECT_API_URL is" in text, f"{name}: {text[-500:]}")
        proxy.close()


def run_without_prefect(
    environment: dict[str, str], proxy: Proxy, seconds: float, output: Path
) -> int:
    """Run a retraining whose API is away once it trains."""
    words = [f"training.{key}={value}" for key, value in LONG.items()]
    words += ["tokens.min_frequency=1", f"training.seed={20 + int(seconds)}"]
    command = [sys.executable, "-m", "refrain", "run", DATASET]
    command += [word for each in words for word in ("--set", each)]
    proxy.become("well")
    with output.open("wb") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    wait_until(
        lambda: b"epoch 3:" in output.read_bytes() or process.poll() is not None, "a training"
    )
    proxy.become("away")
    if seconds:
        time.sleep(seconds)
        proxy.become("well")
    return process.wait()


def main() -> None:
    """Read the options, and measure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--faults", nargs="+", default=list(FAULTS), choices=list(FAULTS))
    options.add_argument("--no-prefect", action="store_true")
    options.add_argument("--dry", action="store_true")
    chosen = options.parse_args()
    logging.disable(logging.INFO)
    finish(partial(measure, chosen.faults, with_prefect=not chosen.no_prefect))


def measure(faults: list[str], *, with_prefect: bool) -> list[Figure]:
    """Cause the faults, and count what was lost."""
    found = Found()
    with tempfile.TemporaryDirectory(prefix="refrain-outages-") as name:
        try_mlflow(Path(name), faults, found)
        if with_prefect:
            try_prefect(Path(name), found)
    for line in found.notes:
        print(f"FAULT {line}")
    return figures_of(found)


def figures_of(found: Found) -> list[Figure]:
    """Make the figures of all outages."""
    lost = f"or doubled, of {found.counts['points']:,} while MLflow was away, slow or faulty"
    noted = "MLflow or Prefect away for seconds, a minute and for good, slow, answering 500"
    return [
        figure(
            name, found.counts[count], unit=unit, goal=0, better="lower", command=COMMAND, note=why
        )
        for name, count, unit, why in (
            ("outage_tracebacks", "tracebacks", "tracebacks", noted),
            ("outage_points_lost", "lost", "points", lost),
        )
    ]


if __name__ == "__main__":
    main()
