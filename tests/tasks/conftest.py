"""An empty MLflow, and one with a model of every problem; each is made once per session."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.tasks.served import Served


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of an MLflow without a model."""
    from tasks.registry import versions

    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REFRAIN_HOME", str(folder))
        assert versions.model_names() == []
    return folder / "mlflow.db"


@pytest.fixture
def mlflow_store(store: Path, empty_mlflow: Path) -> Path:
    """A store with such an MLflow."""
    store.mkdir()
    shutil.copy(empty_mlflow, store / "mlflow.db")
    return store


@pytest.fixture(scope="session")
def served_store(
    empty_mlflow: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, "Served"]]:
    """A store with a registered model of every problem."""
    from tests.tasks.served import TABLES, served

    home = tmp_path_factory.mktemp("served")
    (home / "mlflow.db").write_bytes(empty_mlflow.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REFRAIN_HOME", str(home))
        made = {problem: served(problem) for problem in TABLES}
    return home, made


@pytest.fixture
def models(
    served_store: tuple[Path, dict[str, "Served"]], monkeypatch: pytest.MonkeyPatch
) -> dict[str, "Served"]:
    """The same, with REFRAIN_HOME set to the store during a test."""
    monkeypatch.setenv("REFRAIN_HOME", str(served_store[0]))
    return served_store[1]
