"""The one import of MLflow: what it reads at its import is set first, such as telemetry off."""

import os

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
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import Array, Map, Object, Property

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
    "mlflow",
]
