"""Databases of MLflow and Prefect without content, to begin a store with.

Their migrations take seconds of a processor each time. So the databases are made once for each
version of the two libraries and kept in pytest's cache. The tests of the wheel, of the examples and
of MLflow's database begin with none.
"""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from filelock import FileLock

MLFLOW = "mlflow.db"
PREFECT = "prefect/prefect.db"


def make_databases(cache: Path) -> Path:
    """Return the folder with both databases, which are made there if they are missing."""
    folder = cache / "-".join(version(library) for library in ("mlflow", "prefect"))
    with FileLock(cache / "lock"):
        if not folder.exists():
            partial = cache / "partial"
            shutil.rmtree(partial, ignore_errors=True)
            _make_mlflow(partial)
            _make_prefect(partial)
            partial.rename(folder)
    return folder


def _make_mlflow(home: Path) -> None:
    from tasks.registry import versions

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REFRAIN_HOME", str(home))
        assert versions.model_names() == []


def _make_prefect(home: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"],
        env=os.environ | {"PREFECT_HOME": str((home / PREFECT).parent)},
        capture_output=True,
        check=True,
    )


def begin_store(home: Path, databases: Path) -> Path:
    """Make a store that has both databases."""
    for name in (MLFLOW, PREFECT):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(databases / name, home / name)
    return home
