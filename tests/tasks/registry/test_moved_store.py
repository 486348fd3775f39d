"""A moved or copied store, a store with an odd path, and deletions in MLflow's UI."""

import shutil
from pathlib import Path

import pytest

from data.catalog.catalog import NAME, NAME_CHARACTERS, read_catalog
from data.errors import RowError
from tasks.registry import mlflow_client
from tasks.registry.links import sqlite_url
from tasks.registry.moved_store import follow_move
from tasks.registry.training_run import is_open_to_logs


def logged(text: str) -> tuple[str, str]:
    """An MLflow run with a file in the current store: its id and the experiment's."""
    experiment = mlflow_client.experiment("made")
    run = mlflow_client.client().create_run(experiment)
    mlflow_client.client().log_text(run.info.run_id, text, "note.txt")
    return run.info.run_id, experiment


@pytest.mark.case("19")
def test_copied_store_reads_and_writes_only_its_new_folder(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, experiment = logged("before")
    place = tmp_path / "other" / "new store"
    shutil.copytree(store, place)
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    monkeypatch.setenv("REFRAIN_HOME", str(place))
    client = mlflow_client.client()
    assert (
        client.get_experiment(experiment).artifact_location
        == (place / "mlartifacts" / "made").as_uri()
    )
    assert (
        client.get_run(run_id).info.artifact_uri
        == (place / "mlartifacts" / "made" / run_id / "artifacts").as_uri()
    )
    assert logged("after")[1] == experiment
    assert sorted(path.read_text() for path in place.rglob("note.txt")) == ["after", "before"]
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before


@pytest.mark.case("19")
def test_store_moved_away_and_back_works_in_both_places(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, _ = logged("first")
    place = tmp_path / "elsewhere"
    store.rename(place)
    follow_move(place)
    place.rename(store)
    follow_move(store)
    assert (
        Path(mlflow_client.client().download_artifacts(run_id, "note.txt")).read_text() == "first"
    )


@pytest.mark.case("19")
def test_addresses_outside_the_store_are_not_changed(store: Path, tmp_path: Path) -> None:
    elsewhere = (tmp_path / "kept elsewhere").as_uri()
    mlflow_client.experiment("made")
    number = mlflow_client.client().create_experiment("theirs", artifact_location=elsewhere)
    place = tmp_path / "moved"
    store.rename(place)
    follow_move(place)
    place.rename(store)
    assert mlflow_client.client().get_experiment(number).artifact_location == elsewhere


@pytest.mark.case("19")
def test_store_without_a_database_needs_no_change(tmp_path: Path) -> None:
    follow_move(tmp_path)
    assert not (tmp_path / "mlflow.db").exists()
    (tmp_path / "mlflow.db").touch()
    follow_move(tmp_path)
    assert (tmp_path / "mlflow.db").stat().st_size == 0


@pytest.mark.case("20")
@pytest.mark.parametrize(
    "name", ["my store #1", "50%25 off", "feature%2Fx", "é;&=+", "a'b\"c", "x" * 150]
)
def test_store_works_below_a_folder_of_any_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFRAIN_HOME", str(tmp_path / name / "store"))
    logged("here")
    assert [
        path.read_text() for path in (tmp_path / name / "store" / "mlartifacts").rglob("note.txt")
    ] == ["here"]
    assert (tmp_path / name / "store" / "mlflow.db").exists()


@pytest.mark.case("20")
def test_question_mark_in_the_path_raises_one_sentence(
    tmp_path: Path,
) -> None:
    with pytest.raises(
        ValueError,
        match=r"the store cannot be in .*what\?: SQLite's addresses cannot contain '\?'",
    ):
        sqlite_url(tmp_path / "what?" / "mlflow.db")


@pytest.mark.case("18")
def test_deleted_experiment_is_restored_and_logged(
    store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, experiment = logged("before")
    mlflow_client.client().delete_experiment(experiment)
    assert mlflow_client.experiment("made") == experiment
    assert mlflow_client.client().get_experiment(experiment).lifecycle_stage == "active"
    assert "experiment made was deleted in MLflow; it is restored" in caplog.text


@pytest.mark.case("18")
def test_deleted_run_is_not_open_to_logs(store: Path) -> None:
    run_id, _ = logged("before")
    assert is_open_to_logs(run_id)
    mlflow_client.client().delete_run(run_id)
    assert not is_open_to_logs(run_id)
    assert not is_open_to_logs("0" * 32)


@pytest.mark.case("16")
@pytest.mark.parametrize(
    "name", ["x" * (NAME_CHARACTERS + 1), ".hidden", "-x", "..", "a/b", "a b", "é"]
)
def test_catalog_raises_for_a_name_that_is_no_valid_folder_or_model_name(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").write_text(f"'{name}': {{}}\n")
    with pytest.raises(RowError, match="a dataset's name has letters, digits"):
        read_catalog(tmp_path / "mine.yaml")
    assert not NAME.fullmatch(name) or len(name) > NAME_CHARACTERS
