"""The project of ``refrain init`` with a short training, for harnesses that need a whole cycle."""

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.lib.figures import ROOT

MODEL = "reviews"
SHORT = ("--set", "training.max_epochs=1")
PATIENCE_SECONDS = 900


def surroundings(project: Path, **more: str) -> dict[str, str]:
    """Return an environment with a store in a project, without variables of the user's."""
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT_", "MLFLOW_", "REFRAIN_"))
    }
    home = {"REFRAIN_HOME": str(project / ".refrain"), "PYTHONPATH": str(ROOT)}
    return ours | home | {"OMP_NUM_THREADS": "1"} | more


def command(*words: str) -> list[str]:
    """Return a command of Refrain."""
    return [sys.executable, "-m", "refrain", *words]


def refrain(
    project: Path, *words: str, prefix: tuple[str, ...] = (), **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of Refrain in a project."""
    return subprocess.run(
        [*prefix, *command(*words)],
        cwd=project,
        env=surroundings(project, **more),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


def checked(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a command printed.

    Raises:
        SystemExit: If it failed.
    """
    if done.returncode:
        raise SystemExit(f"{done.args} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def make_project(folder: Path) -> Path:
    """Make the project of ``refrain init`` in a folder."""
    project = folder / "project"
    folder.mkdir(parents=True, exist_ok=True)
    checked(refrain(folder, "init", str(project)))
    return project
