"""What kills may leave in a store: counted in its databases and folders."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path


def query(database: Path, text: str, *values: object) -> list[tuple[object, ...]]:
    """Ask a database of a store; no rows where there is none."""
    if not database.exists():
        return []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)) as connection:
        return connection.execute(text, values).fetchall()


def weights_of(store: Path) -> dict[str, str]:
    """Digest the weights of each checkpoint, by its folder."""
    return {
        path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (store / "checkpoints").glob("*/model.safetensors")
        if (path.parent / "manifest.json").exists()
    }


def duplicate_versions(store: Path, model: str) -> list[str]:
    """List the keys of a model that several versions have."""
    rows = query(
        store / "mlflow.db",
        "SELECT value, count(*) FROM model_version_tags JOIN model_versions USING (name, version) "
        "WHERE key = 'refrain.key' AND name = ? AND current_stage != 'Deleted_Internal' "
        "GROUP BY value HAVING count(*) > 1",
        model,
    )
    return [f"{key} {num} times" for key, num in rows]


def duplicate_points(store: Path) -> list[str]:
    """List the points that MLflow has twice: of one run, metric and step."""
    rows = query(
        store / "mlflow.db",
        "SELECT run_uuid, key, step, count(*) FROM metrics "
        "GROUP BY run_uuid, key, step HAVING count(*) > 1",
    )
    return [f"{run} {key} at step {step}, {num} times" for run, key, step, num in rows]


def stale_mlflow_runs(store: Path) -> list[str]:
    """List the MLflow runs that are open, once no process works on the store any more."""
    rows = query(store / "mlflow.db", "SELECT run_uuid FROM runs WHERE status = 'RUNNING'")
    return [f"MLflow run {run}" for (run,) in rows]


def stale_flow_runs(store: Path) -> list[str]:
    """List the flow and task runs that are open, once nothing works on the store any more."""
    database = store / "prefect" / "prefect.db"
    return [
        f"{table} {name}"
        for table in ("flow_run", "task_run")
        for (name,) in query(
            database,
            f"SELECT name FROM {table} WHERE state_type IN ('RUNNING', 'PENDING', 'CANCELLING')",
        )
    ]


def left_files(store: Path) -> list[str]:
    """List temporary files and folders."""
    found = [*(store / "tmp").glob("*"), *(store / "spool").glob("*")]
    for kind in store.iterdir():
        if kind.is_dir() and kind.name not in ("mlartifacts", "prefect", "tmp", "spool"):
            found += kind.rglob("*partial*")
    return [path.relative_to(store).as_posix() for path in found]
