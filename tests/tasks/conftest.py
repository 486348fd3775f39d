"""An MLflow that knows nothing yet: making its tables takes seconds, so that is done once."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of an MLflow without a model."""
    from tasks import versions

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
