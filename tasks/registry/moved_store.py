"""A moved, copied or remounted store: MLflow's database has absolute addresses of its files."""

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

from tasks.registry.registry_tables import DATABASE

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
    """Update the addresses in MLflow's database if the store was in another folder before.

    Only addresses below the folder of the experiments change, in one
    transaction, so that a copy of a store never writes into the original.
    """
    database = store / DATABASE
    if not database.exists():
        return
    new = store.as_uri()
    with closing(sqlite3.connect(database, timeout=60)) as connection:
        for old in _earlier_stores(connection) - {new}:
            _replace(connection, old, new)
            log.warning("the store moved from %s to %s: updated MLflow's addresses", old, new)


def _earlier_stores(connection: sqlite3.Connection) -> set[str]:
    """Find the folders of the stores that experiments refer to."""
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
                    f"UPDATE {table} SET {name} = ? || substr({name}, ?) "
                    f"WHERE substr({name}, 1, ?) = ?",
                    (new, len(old) + 1, len(old) + 1, f"{old}/"),
                )


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
