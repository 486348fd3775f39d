"""MLflow's database: created atomically, copied before an upgrade, checked at the start."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from tasks.registry import mlflow_client, mlflow_database
from tasks.registry.mlflow_database import prepare_database
from tasks.registry.versions import model_names

OLDER = "0000000older"


def revision_of(path: Path) -> str:
    with sqlite3.connect(path) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def set_revision(path: Path, revision: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))


def killed(address: str) -> None:
    """Start to create or upgrade a database, and crash within."""
    with sqlite3.connect(address.removeprefix("sqlite:///")) as connection:
        connection.execute("CREATE TABLE half (made INTEGER)")
    raise KeyboardInterrupt


def test_crash_while_the_database_is_created_leaves_none(
    store: Path, monkeypatch: pytest.MonkeyPatch, empty_mlflow: Path
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(mlflow_database, "upgrade_schema", killed)
        with pytest.raises(KeyboardInterrupt):
            prepare_database(store)
    assert not (store / "mlflow.db").exists()
    made = lambda address: shutil.copy(empty_mlflow, address.removeprefix("sqlite:///"))  # noqa: E731
    monkeypatch.setattr(mlflow_database, "upgrade_schema", made)
    prepare_database(store)
    assert revision_of(store / "mlflow.db") == revision_of(empty_mlflow)


def test_upgrade_works_on_a_copy_and_keeps_the_old_database(
    mlflow_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = mlflow_store / "mlflow.db"
    newest = revision_of(path)
    set_revision(path, OLDER)
    with monkeypatch.context() as patch:
        patch.setattr(mlflow_database, "upgrade_schema", killed)
        with pytest.raises(KeyboardInterrupt):
            prepare_database(mlflow_store)
    assert revision_of(path) == OLDER
    monkeypatch.setattr(
        mlflow_database,
        "upgrade_schema",
        lambda address: set_revision(Path(address.removeprefix("sqlite:///")), newest),
    )
    prepare_database(mlflow_store)
    assert revision_of(path) == newest
    assert revision_of(mlflow_store / f"mlflow-{OLDER}.db") == OLDER


def test_database_of_a_newer_mlflow_raises_and_is_not_changed(mlflow_store: Path) -> None:
    path = mlflow_store / "mlflow.db"
    mlflow_client.client().create_run(mlflow_client.experiment("made"))
    set_revision(path, "newer")
    with pytest.raises(ValueError, match=r"mlflow.db cannot be upgraded from schema newer .*newer"):
        prepare_database(mlflow_store)
    assert revision_of(path) == "newer"


@pytest.mark.parametrize("content", [b"", b"half"])
def test_file_that_is_no_database_is_replaced_or_raises(
    store: Path, content: bytes, monkeypatch: pytest.MonkeyPatch, empty_mlflow: Path
) -> None:
    store.mkdir()
    path = store / "mlflow.db"
    path.write_bytes(content * 2000)
    monkeypatch.setattr(
        mlflow_database,
        "upgrade_schema",
        lambda address: shutil.copy(empty_mlflow, address.removeprefix("sqlite:///")),
    )
    if content:
        with pytest.raises(ValueError, match=r"mlflow.db cannot be read as MLflow's database"):
            prepare_database(store)
    else:
        prepare_database(store)
        assert revision_of(path)


def test_incomplete_database_of_an_earlier_release_is_moved_aside(
    store: Path, monkeypatch: pytest.MonkeyPatch, empty_mlflow: Path
) -> None:
    store.mkdir()
    with sqlite3.connect(store / "mlflow.db") as connection:
        connection.execute("CREATE TABLE experiments (experiment_id INTEGER)")
    monkeypatch.setattr(
        mlflow_database,
        "upgrade_schema",
        lambda address: shutil.copy(empty_mlflow, address.removeprefix("sqlite:///")),
    )
    prepare_database(store)
    assert revision_of(store / "mlflow.db")
    assert (store / "mlflow-incomplete.db").exists()


def test_deleted_database_is_reported_and_created_again(
    mlflow_store: Path,
    monkeypatch: pytest.MonkeyPatch,
    empty_mlflow: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = mlflow_client.client().create_run(mlflow_client.experiment("made"))
    mlflow_client.client().log_text(run.info.run_id, "x", "note.txt")
    (mlflow_store / "mlflow.db").unlink()
    monkeypatch.setattr(
        mlflow_database,
        "upgrade_schema",
        lambda address: shutil.copy(empty_mlflow, address.removeprefix("sqlite:///")),
    )
    prepare_database(mlflow_store)
    assert "mlflow.db is missing, but" in caplog.text


def test_models_without_files_raise_one_sentence(mlflow_store: Path) -> None:
    with sqlite3.connect(mlflow_store / "mlflow.db") as connection:
        place = f"{mlflow_store.as_uri()}/mlartifacts/made/x"
        connection.execute("INSERT INTO registered_models (name) VALUES ('made')")
        connection.execute(
            "INSERT INTO model_versions (name, version, current_stage, storage_location) "
            "VALUES ('made', 1, 'None', ?)",
            (place,),
        )
    with pytest.raises(ValueError, match=r"^\S*/mlartifacts is missing, so 1 versions of 1 models"):
        model_names()  # not "MLflow did not respond"
    (mlflow_store / "mlartifacts").mkdir()
    prepare_database(mlflow_store)
