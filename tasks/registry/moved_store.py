"""A store that was moved, copied or mounted elsewhere: MLflow keeps whole addresses of its files in its database."""

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

log = logging.getLogger(__name__)
FOLDER = "mlartifacts"
ADDRESSES = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
    "datasets": ("dataset_source",),
}


def follow_move(store: Path) -> None:
    """Point MLflow's database to where the store is now, if its files lay in another folder when they were written.

    Only addresses below the folder that the experiments name are changed, all in one transaction, so that a copy of a
    store never writes into the store that it was copied from.
    """
    database = store / "mlflow.db"
    if not database.exists():
        return
    new = store.as_uri()
    with closing(sqlite3.connect(database, timeout=60)) as connection:
        for old in _earlier_places(connection) - {new}:
            _replace(connection, old, new)
            log.warning("the store was at %s and is at %s now: MLflow's addresses follow", old, new)


def _earlier_places(connection: sqlite3.Connection) -> set[str]:
    """Folders of the stores that experiments point into."""
    if not _columns(connection, "experiments"):
        return set()
    rows = connection.execute(
        "SELECT name, artifact_location FROM experiments WHERE artifact_location LIKE 'file://%'"
    )
    ends = ((location, f"/{FOLDER}/{name}") for name, location in rows)
    return {location.removesuffix(end) for location, end in ends if location.endswith(end)}


def _replace(connection: sqlite3.Connection, old: str, new: str) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for table, names in ADDRESSES.items():
            for name in _columns(connection, table) & set(names):
                connection.execute(
                    f"UPDATE {table} SET {name} = ? || substr({name}, ?) WHERE substr({name}, 1, ?) = ?",
                    (new, len(old) + 1, len(old) + 1, f"{old}/"),
                )


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
