"""A catalog or a file that a parameter names reads only what the operator permits."""

from pathlib import Path

import pytest
import yaml

from data.errors import RowError
from refrain.up import permitted
from tasks.inference.predict_files import PredictSettings, write_predictions
from tasks.ingestion.catalog_entries import checked_entry
from tasks.ingestion.snapshot import make_snapshot
from tasks.ingestion.source_access import source_access
from tasks.store.artifacts import ModelVersion
from tasks.store.installation import project
from tests.conftest import ENTRY, write_reviews


@pytest.fixture
def folder(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A permitted folder with a catalog: entries of its own rows, and of a file elsewhere."""
    found = tmp_path / "permitted"
    found.mkdir()
    write_reviews(found / "rows.csv")
    write_reviews(tmp_path / "private.csv")
    private = ENTRY | {"source": {"kind": "files", "paths": {"all": "../private.csv"}}}
    tokenizer = ENTRY | {"tokenizer": str(tmp_path / "private.json")}
    (tmp_path / "private.json").write_text("{}")
    removals = ENTRY | {"removals": "../private.csv"}
    (found / "mine.yaml").write_text(
        yaml.safe_dump({"ours": ENTRY, "private": private, "cut": tokenizer, "forgetful": removals})
    )
    monkeypatch.setenv("REFRAIN_ALLOWED_PATHS", str(found))
    monkeypatch.setenv("REFRAIN_ALLOWED_HOSTS", "")
    return found


def test_rows_in_a_permitted_folder_are_read(folder: Path) -> None:
    snapshot, is_new = make_snapshot(checked_entry("ours", str(folder / "mine.yaml")))
    assert is_new
    assert sum(snapshot.rows.values()) > 300


@pytest.mark.parametrize("dataset", ["private", "cut", "forgetful"])
def test_entry_that_reads_outside_raises(folder: Path, dataset: str) -> None:
    entry = checked_entry(dataset, str(folder / "mine.yaml"))
    with pytest.raises(RowError, match=r"private\S* may not be read here|tokenizer may not"):
        make_snapshot(entry)


def test_catalog_outside_the_folders_raises(folder: Path) -> None:
    with pytest.raises(RowError, match="the catalog /etc/passwd may not be read here"):
        checked_entry("ours", "/etc/passwd")


def test_catalog_of_the_operator_is_not_restricted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFRAIN_CATALOG", str(folder / "mine.yaml"))
    assert make_snapshot(checked_entry("private", None))[1]
    assert make_snapshot(checked_entry("private", str(folder / "mine.yaml")))


def test_access_is_not_restricted_without_the_settings(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REFRAIN_ALLOWED_PATHS")
    monkeypatch.delenv("REFRAIN_ALLOWED_HOSTS")
    assert make_snapshot(checked_entry("private", str(folder / "mine.yaml")))[1]


def test_predictions_read_and_write_only_permitted_folders(folder: Path, tmp_path: Path) -> None:
    version = ModelVersion("any", "1", "", "")
    settings = PredictSettings()
    with pytest.raises(RowError, match=r"private.csv may not be read here"):
        write_predictions(version, f"{tmp_path}/private.csv", f"{folder}/to", settings)
    with pytest.raises(RowError, match=r"the target \S*/to may not be read here"):
        write_predictions(version, f"{folder}/rows.csv", f"{tmp_path}/to", settings)


def test_deployments_are_restricted_unless_the_operator_chose(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert permitted() == {"REFRAIN_ALLOWED_PATHS": str(folder), "REFRAIN_ALLOWED_HOSTS": ""}
    monkeypatch.delenv("REFRAIN_ALLOWED_PATHS")
    monkeypatch.delenv("REFRAIN_ALLOWED_HOSTS")
    assert permitted() == {
        "REFRAIN_ALLOWED_PATHS": ":".join(sorted(["/srv/refrain", str(project())])),
        "REFRAIN_ALLOWED_HOSTS": "",
    }
    assert source_access().permissions.folders is None
