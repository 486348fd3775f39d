"""Lists read from MLflow's tables are those that MLflow's client gives."""

from pathlib import Path
from typing import Any

import pytest

from tasks.registry import mlflow_client, version_lists, versions
from tasks.registry.registry_tables import read_models, stored_models
from tests.tasks.trained import versioned

pytestmark = pytest.mark.usefixtures("mlflow_store")


@pytest.fixture
def filled(mlflow_store: Path) -> Path:
    """Two models, one of them with a deleted version, aliases and tags."""
    for key in ("a", "b", "c"):
        number = versioned("made", key)
        for tag, value in ((versions.SCORES, "scores"), (versions.SNAPSHOT, "rows")):
            mlflow_client.set_version_tag("made", number, tag, f"{value} {key}")
    versioned("other", "a")
    mlflow_client.set_alias("made", "champion", "1")
    mlflow_client.set_alias("made", "kept_by_a_user", "1")
    mlflow_client.set_alias("made", "challenger", "2")
    mlflow_client.delete_version("made", "3")
    return mlflow_store


def by_client(monkeypatch: pytest.MonkeyPatch, call: Any, *args: Any, **options: Any) -> Any:
    """Call as if MLflow's database belonged to another store."""
    with monkeypatch.context() as patch:
        patch.setattr(mlflow_client, "own_database", lambda: None)
        return call(*args, **options)


def test_models_equal_those_of_the_client(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = version_lists.list_models()
    assert found == by_client(monkeypatch, version_lists.list_models)
    assert [(model["model"], model["versions"]) for model in found] == [
        ("made", 2),
        ("other", 1),
    ]
    assert found[0]["aliases"] == {"challenger": "2", "champion": "1", "kept_by_a_user": "1"}
    assert found[0]["champion"][versions.SCORES] == "scores a"


@pytest.mark.parametrize("only_aliased", [True, False])
def test_scores_and_snapshots_equal_those_of_the_client(
    filled: Path, monkeypatch: pytest.MonkeyPatch, only_aliased: bool
) -> None:
    read_scores = version_lists.registered_scores
    found = read_scores(only_aliased=only_aliased)
    assert found == by_client(monkeypatch, read_scores, only_aliased=only_aliased)
    used = version_lists.versions_by_snapshot("made")
    assert used == by_client(monkeypatch, version_lists.versions_by_snapshot, "made")
    assert used == {
        "rows a": ["version 1 (champion, kept_by_a_user)"],
        "rows b": ["version 2 (challenger)"],
    }


def test_tables_are_not_read_without_a_database_or_with_a_remote_mlflow(
    filled: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert stored_models() is None
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert stored_models() == read_models(filled / "mlflow.db")
    monkeypatch.setenv("REFRAIN_HOME", str(tmp_path / "empty"))
    assert stored_models() is None


def test_damaged_database_raises_with_its_name(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (filled / "mlflow.db").write_bytes(b"damaged" * 1000)
    with pytest.raises(
        OSError, match=r"mlflow\.db, the registered models, cannot be read \(file is"
    ):
        read_models(filled / "mlflow.db")


def test_version_is_found_without_reading_the_others(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "versions_of", lambda name: pytest.fail("all were read"))
    info = versions.version_info("made", "2")
    assert info
    assert str(info.version) == "2"
    assert [versions.version_info("made", number) for number in ("3", "9", "two", "")] == [None] * 4
    assert versions.version_info("unknown", "1") is None
