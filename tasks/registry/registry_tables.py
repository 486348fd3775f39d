"""MLflow's tables of models and versions in the store, read directly and only read.

MLflow's client takes seconds to import and a query for each version: too slow
for a list. Another MLflow than that of the store is read by its client
(``versions.py``).
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tasks.store.home import home

DATABASE = "mlflow.db"
CHAMPION = "champion"
DELETED = "Deleted_Internal"  # MLflow's stage of a deleted version, whose row stays
SECONDS_TO_WAIT = 60  # for a writer


def stored_models() -> list[dict[str, Any]] | None:
    """List the models of the store; None if it has no database yet, or MLflow is elsewhere."""
    database = home() / DATABASE
    is_elsewhere = bool(os.environ.get("MLFLOW_TRACKING_URI"))
    return None if is_elsewhere or not database.exists() else read_models(database)


def read_models(database: Path) -> list[dict[str, Any]]:
    """List all registered models: name, newest version, aliases, and the tags of champions."""
    with _reading(database) as connection:
        newest = connection.execute(
            "SELECT name, (SELECT max(version) FROM model_versions AS made "
            "WHERE made.workspace = model.workspace AND made.name = model.name "
            "AND made.current_stage <> ?) FROM registered_models AS model ORDER BY name",
            (DELETED,),
        ).fetchall()
        return [_model(connection, name, number or 0) for name, number in newest]


def _model(connection: sqlite3.Connection, name: str, newest: int) -> dict[str, Any]:
    rows = connection.execute(
        "SELECT alias, version FROM registered_model_aliases WHERE name = ? ORDER BY alias", (name,)
    )
    aliases = {alias: str(number) for alias, number in rows}
    tags = connection.execute(
        "SELECT key, value FROM model_version_tags WHERE name = ? AND version = ?",
        (name, aliases.get(CHAMPION)),
    )
    return {"model": name, "versions": newest, "aliases": aliases, "champion": dict(tags)}


def experiment_id(name: str) -> str:
    """Return the id of an experiment of the store; empty if there is none, or MLflow is elsewhere.

    Raises:
        OSError: If the database cannot be read.
    """
    database = home() / DATABASE
    if os.environ.get("MLFLOW_TRACKING_URI") or not database.exists():
        return ""
    with _reading(database) as connection:
        found = connection.execute(
            "SELECT experiment_id FROM experiments WHERE name = ? AND lifecycle_stage = 'active'",
            (name,),
        ).fetchone()
    return str(found[0]) if found else ""


def read_tags(database: Path, tag: str) -> list[tuple[str, str, str]]:
    """List model, version and one tag of every version, in order; empty where it has none."""
    with _reading(database) as connection:
        rows = connection.execute(
            "SELECT made.name, made.version, coalesce(tag.value, '') FROM model_versions AS made "
            "LEFT JOIN model_version_tags AS tag ON tag.workspace = made.workspace "
            "AND tag.name = made.name AND tag.version = made.version AND tag.key = ? "
            "WHERE made.current_stage <> ? ORDER BY made.name, made.version",
            (tag, DELETED),
        )
        return [(name, str(number), value) for name, number, value in rows]


def read_aliases(database: Path) -> dict[tuple[str, str], list[str]]:
    """List the aliases of each version that has some."""
    found: dict[tuple[str, str], list[str]] = {}
    with _reading(database) as connection:
        for name, number, alias in connection.execute(
            "SELECT name, version, alias FROM registered_model_aliases ORDER BY alias"
        ):
            found.setdefault((name, str(number)), []).append(alias)
    return found


@contextmanager
def _reading(database: Path) -> Iterator[sqlite3.Connection]:
    """Open a database to read only.

    Raises:
        OSError: If it cannot be read.
    """
    address = f"file:{quote(str(database))}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=SECONDS_TO_WAIT)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise OSError(
            f"{database}, the registered models, cannot be read ({error}): restore it from a "
            "copy of the store, or move it away and retrain"
        ) from error
