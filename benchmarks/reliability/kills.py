"""SIGKILL at every stage of retrainings of every problem, then one run to the end.

``python -m benchmarks.reliability.kills`` kills 105 times at random moments within all stages of
five problems, runs each retraining to its end, and compares weights, versions, points, open runs
and files with those of a store in which nothing was killed. Then it kills a command with its
engine, a worker's flow run, the worker, and both servers in turn (``servers.py``). ``--rounds 1
--problems sentiment --no-servers`` shortens it; ``--dry`` writes nothing.
"""

import argparse
import logging
import os
import random
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from unittest.mock import patch

from benchmarks.lib.figures import Figure, figure
from benchmarks.reliability.line import STAGES, start_line
from benchmarks.reliability.outcome import finish
from benchmarks.reliability.remains import (
    duplicate_points,
    duplicate_versions,
    left_files,
    stale_mlflow_runs,
    weights_of,
)
from benchmarks.reliability.servers import kill_services
from benchmarks.reliability.tiny_sets import SHAPES, TRAINING, dataset_of, write_sets
from tasks.settings import Settings, read_settings
from tasks.store import temporary
from tasks.store.temporary import sweep_files

COMMAND = "python -m benchmarks.reliability.kills"
KILLED_IN = ("ingest", "tokenize", "train", "train", "evaluate", "register", "promote")
PATIENCE_SECONDS = 600.0


@dataclass
class Found:
    """What was counted; ``notes`` names each fault."""

    counts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def count(self, name: str, num: int, what: str) -> None:
        """Add to a count, and note what it was."""
        self.counts[name] += num
        if num:
            self.notes.append(f"{name}: {what}")


def settings_of(seed: int) -> Settings:
    """Make the settings of a round: another seed and another limit repeat every stage."""
    return read_settings(
        {
            "tokens": {"min_frequency": 1, "limit": 60 + seed, "vocabulary_size": 200},
            "training": TRAINING | {"seed": seed},
        }
    )


def completed(
    store: Path, catalog: Path, problem: str, seed: int, output: Path
) -> dict[str, float]:
    """Retrain to the end; the seconds until each stage ends, or nothing if it failed."""
    process, stage = start_line(store, catalog, dataset_of(problem), settings_of(seed), output)
    seconds = Counter[str]()
    started = time.monotonic()
    while process.is_alive() and time.monotonic() - started < PATIENCE_SECONDS:
        seconds[STAGES[stage.value]] += 1
        process.join(0.02)
    if process.is_alive():
        process.kill()
    process.join()
    return {name: num * 0.02 for name, num in seconds.items()} if process.exitcode == 0 else {}


def kill_in(
    name: str, after: float, store: Path, catalog: Path, problem: str, seed: int, output: Path
) -> bool:
    """Kill a retraining some seconds after a stage began; False if it ended before."""
    process, stage = start_line(store, catalog, dataset_of(problem), settings_of(seed), output)
    while process.is_alive() and stage.value < STAGES.index(name):
        time.sleep(0.002)
    process.join(after)
    was_alive = process.is_alive()
    process.kill()
    process.join()
    return was_alive


def kill_rounds(folder: Path, problems: list[str], num_rounds: int) -> Found:
    """Kill retrainings of some problems in all stages, and look at what remains."""
    catalog = write_sets(folder / "rows")
    chance = random.Random(18)
    found = Found()
    for problem in problems:
        whole, killed = (folder / f"{problem}-{name}" for name in ("whole", "killed"))
        output = folder / f"{problem}.log"
        for seed in range(1, num_rounds + 1):
            seconds = completed(whole, catalog, problem, seed, output)
            for name in KILLED_IN:
                after = chance.uniform(0, max(0.05, seconds.get(name, 0.1)))
                found.counts["kills"] += kill_in(
                    name, after, killed, catalog, problem, seed, output
                )
            found.counts["runs"] += 1
            if completed(killed, catalog, problem, seed, output):
                found.counts["completed"] += 1
            else:
                found.notes.append(f"{problem}, round {seed} did not end; see {output}")
        compare(found, whole, killed, dataset_of(problem))
        print(f"{problem}: {dict(found.counts)}", flush=True)
    return found


def compare(found: Found, whole: Path, killed: Path, dataset: str) -> None:
    """Compare a store with kills with one without, after what `reconcile` sweeps."""
    os.environ["REFRAIN_HOME"] = str(killed)
    sweep_files()  # a forked process ends without Python's clean-up
    with patch.object(temporary, "WRITE_SECONDS", 0.0):  # as if an hour had passed
        temporary.sweep_unfinished_writes()
    expected = weights_of(whole)
    same = weights_of(killed)
    found.counts["trainings"] += len(expected)
    found.counts["equal"] += sum(same.get(key) == digest for key, digest in expected.items())
    for name, counted in (
        ("duplicate_versions", duplicate_versions(killed, dataset)),
        ("duplicate_points", duplicate_points(killed)),
        ("stale_runs", stale_mlflow_runs(killed)),
        ("left_files", left_files(killed)),
    ):
        found.count(name, len(counted), f"{dataset}: {', '.join(counted[:3])}")


def figures_of(found: Found) -> list[Figure]:
    """Make the figures of all kills."""
    counts = found.counts
    note = "at random moments of all stages; command, flow run, worker and both servers too"
    shares = {
        "completed_share": (counts["completed"], counts["runs"], "retrainings that then ended"),
        "weights_equal_share": (counts["equal"], counts["trainings"], "bit by bit"),
    }
    made = [
        figure(
            "kills",
            counts["kills"],
            unit="kills",
            goal=100,
            better="higher",
            command=COMMAND,
            note=note,
        )
    ]
    made += [
        figure(
            name,
            part / max(1, whole),
            unit="share",
            goal=1,
            better="higher",
            command=COMMAND,
            note=why,
        )
        for name, (part, whole, why) in shares.items()
    ]
    made += [
        figure(name, counts[name], unit=unit, goal=0, better="lower", command=COMMAND, note=why)
        for name, unit, why in (
            ("duplicate_versions", "versions", "of one key"),
            ("duplicate_points", "points", "of one metric and step in MLflow"),
            ("stale_runs", "runs", "open in MLflow or Prefect without a process"),
            ("left_files", "files", "temporary ones in the store"),
        )
    ]
    return made


def main() -> None:
    """Read the options, and measure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--problems", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    options.add_argument("--no-servers", action="store_true")
    options.add_argument("--dry", action="store_true")
    chosen = options.parse_args()
    logging.disable(logging.WARNING)
    finish(partial(measure, chosen.problems, chosen.rounds, with_servers=not chosen.no_servers))


def measure(problems: list[str], num_rounds: int, *, with_servers: bool) -> list[Figure]:
    """Kill, and count what remains."""
    with tempfile.TemporaryDirectory(prefix="refrain-kills-") as name:
        found = kill_rounds(Path(name), problems, num_rounds)
        if with_servers:
            kill_services(Path(name), found.counts, found.notes)
    for line in found.notes:
        print(f"FAULT {line}")
    return figures_of(found)


if __name__ == "__main__":
    main()
