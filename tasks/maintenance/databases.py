"""Free pages of the SQLite databases of Prefect and MLflow, given back to the disk."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from tasks.registry.registry_tables import DATABASE
from tasks.store.home import home

SECONDS_TO_WAIT = 30.0  # for writers; SQLite lets nobody in while it copies
ROOM = 2.0  # times the size of a database that its copy and its journal take


def databases() -> list[Path]:
    """List the databases of the store."""
    return [
        path for path in (home() / DATABASE, home() / "prefect" / "prefect.db") if path.exists()
    ]


def free_bytes(path: Path) -> int:
    """Return the bytes of a database that hold nothing."""
    with closing(sqlite3.connect(path, timeout=SECONDS_TO_WAIT)) as connection:
        pages, size = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("freelist_count", "page_size")
        )
    return pages * size


def give_back(path: Path) -> str:
    """Copy a database without its free pages; return why it was left, if it was.

    Other programs wait meanwhile; one that writes for too long wins.
    """
    size = path.stat().st_size
    if shutil.disk_usage(path.parent).free < ROOM * size:
        return f"{path.name} needs {ROOM * size / 1e6:,.0f} MB of free disk"
    try:
        with closing(sqlite3.connect(path, timeout=SECONDS_TO_WAIT)) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.OperationalError as error:
        return f"{path.name} is left for the next time ({error})"
    return ""
