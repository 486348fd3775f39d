"""How times grow with versions and snapshots: ``models``, ``prune``, ``snapshots``, a start.

``python -m benchmarks.reliability.growth`` fills a store with 10, 100, 1,000 and 10,000 versions
and snapshots of one dataset and times the commands, imports included, and the look-up of an
unchanged snapshot, of a version and of the aliases in this process. ``--sizes 10 100`` shortens
it; ``--dry`` writes nothing.
"""

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from unittest.mock import patch

from benchmarks.data.grown_store import NAME, grow, write_catalog
from benchmarks.lib.figures import Figure, figure
from benchmarks.reliability.outcome import finish
from data.catalog.catalog import find_dataset
from tasks.ingestion.snapshot import make_snapshot
from tasks.ingestion.snapshot_log import SnapshotLog
from tasks.registry import mlflow_client
from tasks.registry.versions import SCORES, SNAPSHOT, check_complete, model_names
from tasks.store.artifacts import Checkpoint, Scores, Snapshot, TokenSet
from tasks.store.growing_files import write_grown
from tasks.store.manifests import MANIFEST

COMMAND = "python -m benchmarks.reliability.growth"
SIZES = (10, 100, 1_000, 10_000)
COMMANDS = {
    "models": ["models"],
    "prune": ["prune", NAME],
}
REPEATS = 3
MADE = 1_700_000_000_000  # milliseconds since 1970 of all versions


def key_of(number: int) -> str:
    """Give the digest of everything that belongs to a version."""
    return f"{number:016x}"


def fill_registry(database: Path, num: int) -> None:
    """Add versions to MLflow's tables, as so many registrations leave them."""
    tags = {
        "refrain.complete": "2026-01-01",
        "refrain.problem": "sentiment",
        "refrain.metric": "accuracy",
        "refrain.score": "80.0000",
        "refrain.interval": "78.00 to 82.00",
    }
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "INSERT INTO registered_models (name, creation_time) VALUES (?, ?)", (NAME, MADE)
        )
        connection.executemany(
            "INSERT INTO model_versions (name, version, creation_time, current_stage, source, "
            "run_id, status) VALUES (?, ?, ?, 'None', '', '', 'READY')",
            ((NAME, number, MADE) for number in range(1, num + 1)),
        )
        connection.executemany(
            "INSERT INTO model_version_tags (name, version, key, value) VALUES (?, ?, ?, ?)",
            (
                (NAME, number, tag, value)
                for number in range(1, num + 1)
                for tag, value in own_tags(number, tags)
            ),
        )
        connection.executemany(
            "INSERT INTO registered_model_aliases (name, alias, version) VALUES (?, ?, ?)",
            ((NAME, "champion", num), (NAME, "challenger", num)),
        )


def own_tags(number: int, tags: dict[str, str]) -> Iterable[tuple[str, str]]:
    """Give the tags of one version."""
    key = key_of(number)
    return {**tags, SCORES: key, SNAPSHOT: key, "refrain.key": key}.items()


def fill_store(snapshot: Snapshot, num: int) -> None:
    """Add snapshots, token sets, checkpoints and scores: manifests and one small file each."""
    log = SnapshotLog.of(NAME)
    last = log.ingestions[-1]
    for number in range(1, num + 1):
        key = key_of(number)
        for kind in (Snapshot, TokenSet, Checkpoint, Scores):
            folder = kind.folder_of(NAME, key)
            folder.mkdir(parents=True)
            (folder / "rows.bin").write_bytes(b"0123456789")
            (folder / MANIFEST).write_text(json.dumps(fields_of(kind, key)))
    lines = [json.dumps(asdict(last) | {"snapshot": key_of(n)}) for n in range(1, num + 1)]
    lines.append(json.dumps(asdict(last) | {"parent": key_of(num)}))
    write_grown(log.path, "".join(f"{line}\n" for line in lines))
    assert SnapshotLog.of(NAME).ingestions[-1].snapshot == snapshot.digest


def fields_of(kind: type, key: str) -> dict[str, object]:
    """Give the fields of a manifest that the measured commands read."""
    made_of: dict[type, dict[str, object]] = {
        Snapshot: {"rows": {}, "splits": {}, "reasons": {}},
        TokenSet: {"snapshot": key},
        Checkpoint: {"tokens": key},
        Scores: {"checkpoint": key, "tokens": key},
    }
    return {"dataset": NAME, "digest": key, **made_of[kind]}


def command_seconds(words: list[str], home: Path) -> float:
    """Time a command from its start to its end, the best of some."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "refrain", *words],
            env=environment | {"REFRAIN_HOME": str(home)},
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def call_seconds(call: Callable[[], object]) -> float:
    """Time a call, the best of some."""
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def times_at(num: int, empty: Path, folder: Path) -> dict[str, float]:
    """Fill a store and time everything."""
    home = folder / "store"
    rows = folder / "rows"
    rows.mkdir(parents=True)
    grow(rows, 0)
    entry = find_dataset(NAME, write_catalog(rows))
    home.mkdir()
    shutil.copy(empty, home / "mlflow.db")
    with patch.dict(os.environ, {"REFRAIN_HOME": str(home)}):
        snapshot, _ = make_snapshot(entry)
        fill_registry(home / "mlflow.db", num)
        fill_store(snapshot, num)
        times = {
            "start of a retraining": call_seconds(lambda: make_snapshot(entry)),
            "check of a version": call_seconds(lambda: check_complete(NAME, str(num // 2))),
            "aliases": call_seconds(lambda: mlflow_client.aliases(NAME)),
        }
    commands = COMMANDS | {"snapshots": ["snapshots", NAME, "--catalog", str(entry.file)]}
    return times | {name: command_seconds(words, home) for name, words in commands.items()}


def measure() -> list[Figure]:
    """Measure all sizes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--dry", action="store_true")
    options = parser.parse_args()
    found: dict[int, dict[str, float]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(mlflow_client, "CHOSEN_URI", ""),
    ):
        with patch.dict(os.environ, {"REFRAIN_HOME": f"{folder}/empty"}):
            assert model_names() == []
        for num in options.sizes:
            found[num] = times_at(
                num, Path(folder) / "empty" / "mlflow.db", Path(folder) / f"{num}"
            )
            shown = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in found[num].items())
            print(f"{num:>6,}: {shown}", flush=True)
    largest = max(found)
    rest = "; ".join(
        f"{name}: {', '.join(f'{found[num][name]:.2f}' for num in found)} s"
        for name in found[largest]
    )
    note = f"at {', '.join(f'{num:,}' for num in found)} versions and snapshots: {rest}"
    return [
        figure(
            f"models_seconds_at_{largest}",
            found[largest]["models"],
            unit="s",
            goal=1.0,
            better="lower",
            command=COMMAND,
            note=note,
        )
    ]


if __name__ == "__main__":
    finish(measure)
