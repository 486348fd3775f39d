"""The one import of MLflow: what it reads at its import is set first, such as telemetry off."""

import os
from typing import Any

from tasks.registry.tracking_password import take_password

take_password(os.environ)
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# The check would ask the package index.
os.environ.setdefault("MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")

import mlflow
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModel, Metric, Param, RunTag
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.db import utils
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import Array, Map, Object, Property

database: Any = utils  # it has no types

__all__ = [
    "Array",
    "ColSpec",
    "DataType",
    "Dataset",
    "DatasetInput",
    "InputTag",
    "LoggedModel",
    "Map",
    "Metric",
    "MlflowClient",
    "MlflowException",
    "ModelSignature",
    "ModelVersion",
    "Object",
    "Param",
    "ParamSchema",
    "ParamSpec",
    "Property",
    "RunTag",
    "Schema",
    "delete_files",
    "mlflow",
    "newest_schema",
    "upgrade_schema",
]


def delete_files(location: str) -> None:
    """Delete the files of a run or a logged model, wherever they are."""
    repository: Any = get_artifact_repository(location)
    repository.delete_artifacts()


def newest_schema() -> str:
    """Return the revision of the database schema that the installed MLflow needs."""
    return str(database._get_latest_schema_revision())


def upgrade_schema(address: str) -> None:
    """Make the tables of an empty database, or upgrade those of an older MLflow.

    MLflow has no public function for it; its command ``mlflow db upgrade`` calls the same.
    """
    engine = database.create_sqlalchemy_engine_with_retry(address)
    try:
        if database._is_empty_database(engine):
            database._initialize_tables(engine)
        else:
            database._upgrade_db(engine)
    finally:
        engine.dispose()
