"""MLflow's database in the store: made and upgraded under a lock, in a copy that is renamed.

A process that is killed leaves the database of before, or none, never half of one.
"""

import logging
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from tasks.registry.links import sqlite_url
from tasks.registry.metric_spool import one_line
from tasks.registry.mlflow_library import newest_schema, upgrade_schema
from tasks.registry.moved_store import FOLDER, follow_move
from tasks.registry.registry_tables import DATABASE
from tasks.store import durable
from tasks.store.locks import locked
from tasks.store.temporary import temporary_folder

log = logging.getLogger(__name__)
LOCK = "mlflow"


def prepare_database(store: Path) -> None:
    """Make MLflow's database if there is none, upgrade an older one, and check it.

    Raises:
        ValueError: If it is damaged, newer than the installed MLflow, or without its files.
    """
    path = store / DATABASE
    with locked(LOCK, "database"):
        revision = _revision(path)
        if not revision:
            _make(path)
        elif revision != newest_schema():
            _upgrade(path, revision)
        follow_move(store)
        _check_files(store)


def _revision(path: Path) -> str:
    """Read the version of the schema; empty if there is no database, or nothing is in it.

    Raises:
        ValueError: If the file is no database of MLflow.
    """
    if not path.exists() or not path.stat().st_size:
        return ""
    try:
        with closing(sqlite3.connect(path, timeout=60)) as connection:
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
            if "alembic_version" not in tables:
                return ""
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.DatabaseError as error:
        raise ValueError(
            f"{path} cannot be read as MLflow's database ({error}): put a copy of it there, or "
            "move it away, and the next retraining begins a new one"
        ) from None
    return str(found[0]) if found else ""


def _make(path: Path) -> None:
    """Make a new database beside, and give it its name when it is complete."""
    if path.exists():  # empty, or what a killed process of an earlier release left
        _set_aside(path)
    if any((path.parent / FOLDER).glob("*/*")):
        log.warning(
            "%s is missing, but %s has files of models: MLflow begins anew, and each retraining "
            "registers its model again; restore a copy of %s to have the old versions back",
            path,
            path.parent / FOLDER,
            DATABASE,
        )
    with temporary_folder("mlflow-database") as folder:
        upgrade_schema(sqlite_url(folder / DATABASE))
        durable.rename(folder / DATABASE, path)


def _set_aside(path: Path) -> None:
    if path.stat().st_size:
        kept = path.with_name(f"{path.stem}-incomplete{path.suffix}")
        path.replace(kept)
        log.warning("%s was never completed: it is now %s", path, kept.name)
    for rest in path.parent.glob(f"{DATABASE}-*"):  # the journal of the one before
        rest.unlink()


def _upgrade(path: Path, revision: str) -> None:
    """Upgrade a copy, keep the database of before under its revision, and rename the copy.

    Raises:
        ValueError: If that fails, as for a database of a newer MLflow; it stays as it is.
    """
    kept = path.with_name(f"{path.stem}-{revision}{path.suffix}")
    log.warning("MLflow's database is upgraded; the one of before is kept as %s", kept)
    with temporary_folder("mlflow-database") as folder:
        copy = folder / DATABASE
        with (
            closing(sqlite3.connect(path, timeout=60)) as before,
            closing(sqlite3.connect(copy)) as after,
        ):
            before.backup(after)
        shutil.copy2(copy, folder / kept.name)
        durable.rename(folder / kept.name, kept)
        try:
            upgrade_schema(sqlite_url(copy))
        except Exception as error:  # of Alembic, SQLAlchemy or MLflow
            if _num_runs(path):
                raise ValueError(
                    f"{path} cannot be upgraded from schema {revision} ({one_line(error)}), and "
                    "stays as it is: if a newer release of Refrain wrote it, install that one"
                ) from error
        else:
            durable.rename(copy, path)
            return
    # An earlier release was killed while it made the database: nothing is in it.
    _make(path)


def _num_runs(path: Path) -> int:
    with closing(sqlite3.connect(path, timeout=60)) as connection:
        return int(connection.execute("SELECT count(*) FROM runs").fetchone()[0])


def _check_files(store: Path) -> None:
    """Check that the files of registered models are there at all.

    Raises:
        ValueError: If their folder is missing: a champion could not be served.
    """
    if (store / FOLDER).is_dir():
        return
    with closing(sqlite3.connect(store / DATABASE, timeout=60)) as connection:
        counted = connection.execute(
            "SELECT count(*), count(DISTINCT name) FROM model_versions "
            "WHERE current_stage != 'Deleted_Internal' AND storage_location LIKE ?",
            (f"{store.as_uri()}/%",),
        )
        num, num_models = counted.fetchone()
    if num:
        raise ValueError(
            f"{store / FOLDER} is missing, so {num} versions of {num_models} models cannot be "
            f"served: restore that folder from a copy, or move {store / DATABASE} away too, and "
            "the next retraining registers its model again"
        )
