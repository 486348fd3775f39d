"""Registered models as MLflow keeps and loads them: their signature, their requirements, what they answer here."""

import atexit
import math
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.errors import nearest
from tasks.registry.mlflow_client import CHAMPION, client, version_with_alias
from tasks.registry.mlflow_library import (
    Array,
    ColSpec,
    DataType,
    LoggedModel,
    Map,
    MlflowException,
    ModelSignature,
    Object,
    ParamSchema,
    ParamSpec,
    Property,
    Schema,
    mlflow,
)
from tasks.registry.versions import model_names, versions_of
from tasks.serving.input_texts import broken_character
from tasks.store.home import home

# What serves a model is MLflow's small distribution: without its store, its own pages, scikit-learn and matplotlib.
DISTRIBUTIONS = {"mlflow": "mlflow-skinny"}
TEXT, NUMBER, PLACE = DataType.string, DataType.double, DataType.long
KINDS: dict[type, DataType] = {bool: DataType.boolean, int: PLACE, float: NUMBER}
ENTITY = {"kind": TEXT, "text": TEXT, "start": PLACE, "stop": PLACE, "confidence": NUMBER}
# Columns by the name of what a model says; those in brackets, of what it takes, may be left out.
TAKES: dict[str, dict[str, Any]] = {
    "label": {"text": TEXT},
    "tags": {"[text]": TEXT, "[tokens]": Array(TEXT)},
    "target": {"text": TEXT},
    "text": {"text": TEXT, "[label]": TEXT},
}
SAYS: dict[str, dict[str, Any]] = {
    "label": {"label": TEXT, "score": NUMBER, "probabilities": Map(NUMBER)},
    "tags": {
        "tags": Array(TEXT),
        "score": NUMBER,
        "entities": Array(Object([*map(Property, ENTITY, ENTITY.values())])),
    },
    "target": {
        "target": TEXT,
        "score": NUMBER,
        "n_best": Array(Object([Property("target", TEXT), Property("score", NUMBER)])),
    },
    "text": {"text": TEXT, "score": NUMBER, "continuation": TEXT},
}
UNFAMILIAR = {"unfamiliar": DataType.boolean}  # the last column of every answer


def signature_of(target: str, columns: Sequence[str], asked: Mapping[str, Any]) -> ModelSignature:
    """What a model takes, says and may be asked.

    Args:
        target: Name of what it says.
        columns: Those of its rows: a text without a label has no such column.
        asked: Its params with their defaults.
    """
    takes = {
        name: kind
        for name, kind in TAKES[target].items()
        if name != "[label]" or "label" in columns
    }
    return ModelSignature(
        inputs=Schema(
            [
                ColSpec(kind, name.strip("[]"), required=name[0] != "[")
                for name, kind in takes.items()
            ]
        ),
        outputs=Schema([ColSpec(kind, name) for name, kind in (SAYS[target] | UNFAMILIAR).items()]),
        params=ParamSchema(
            [ParamSpec(name, KINDS[type(value)], value) for name, value in asked.items()]
        ),
    )


def requirements_of(libraries: Sequence[str]) -> list[str]:
    """What to install where some libraries are imported, pinned to what is here; a build of torch is the machine's matter."""
    names = [DISTRIBUTIONS.get(library, library) for library in libraries]
    return [f"{name}=={version(name).split('+')[0]}" for name in names]


def log_model(
    run_id: str,
    code: Path,
    files: Path,
    package: Path,
    *,
    target: str,
    example: pd.DataFrame,
    asked: Mapping[str, Any],
    libraries: Sequence[str],
    tags: Mapping[str, str],
) -> LoggedModel:
    """Log a model as a pyfunc made of a Python file, weights and JSON, none pickled.

    Args:
        run_id: The MLflow run that trained it.
        code: The file for MLflow.
        files: Folder of weights and vocabularies.
        package: Folder of the code that it runs.
        target: Name of what it says.
        example: A row to try it with.
        asked: What may be asked of it, with its defaults.
        libraries: What its code imports; pinned to the versions that are here.
        tags: What the logged model tells about itself.
    """
    with mlflow.start_run(run_id=run_id):
        model: LoggedModel = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(code),
            artifacts={"model": str(files)},
            code_paths=[str(package)],
            input_example=(example, dict(asked)),
            signature=signature_of(target, list(example.columns), asked),
            pip_requirements=requirements_of(libraries),
            tags=dict(tags),
        )
    return model


def download(name: str, number: str, folder: Path) -> Path:
    """Fetch a registered version's files from MLflow into a folder."""
    client()
    return Path(
        mlflow.artifacts.download_artifacts(f"models:/{name}/{number}", dst_path=str(folder))
    )


@dataclass(frozen=True)
class Loaded:
    """A registered version that was loaded as anybody would, into this process."""

    name: str
    number: str
    pyfunc: Any

    @classmethod
    def of(cls, name: str, number: str) -> "Loaded":
        """Load a version."""
        client()
        address = f"models:/{name}/{number}"
        if "%" in str(home()):  # MLflow would decode such a path twice
            folder = Path(tempfile.mkdtemp(prefix="refrain-model-"))
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            address = str(download(name, number, folder))
        return cls(name, number, mlflow.pyfunc.load_model(address))

    @property
    def defaults(self) -> dict[str, Any]:
        """What may be asked of it, with what it does if nothing is asked."""
        schema = self.pyfunc.metadata.get_params_schema()
        return {each.name: each.default for each in schema or ()}

    def predict(self, rows: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Let it answer raw rows.

        Raises:
            ValueError: If rows or params are not as it takes them; MLflow itself passes over params that it does not know.
        """
        unknown = sorted(set(params or ()) - set(self.defaults))
        if unknown:
            known = f"only {', '.join(self.defaults)}" if self.defaults else "nothing may"
            raise ValueError(
                f"{unknown[0]} may not be asked of {self.name} version {self.number}, {known}"
            )
        self._check_characters(rows)
        try:
            predicted: pd.DataFrame = self.pyfunc.predict(rows, dict(params or {}))
        except MlflowException as error:
            raise ValueError(f"{self.name} version {self.number}: {error.message}") from error
        return predicted

    def _check_characters(self, rows: pd.DataFrame) -> None:
        """Refuse what is no text before MLflow converts it, with an error of its own."""
        for name in rows:
            for number, value in enumerate(rows[name].tolist(), 1):
                broken = next(filter(None, map(broken_character, _texts_in(value))), "")
                if broken:
                    raise ValueError(
                        f"{self.name} version {self.number}: row {number}, {name}: {broken}"
                    )


def _texts_in(value: Any) -> list[str]:
    """The texts of a cell, which may be a list."""
    cells = value if isinstance(value, list | tuple | np.ndarray) else [value]
    return [cell for cell in cells if isinstance(cell, str)]


def predict_with(
    name: str, number: str, rows: pd.DataFrame, params: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """Load a registered version and let it answer raw rows in this process."""
    return Loaded.of(name, number).predict(rows, params)


def find_model(said: str) -> tuple[str, str]:
    """Name and version of a model as people name it: ``NAME``, whose champion it is, ``NAME@ALIAS`` or ``NAME/VERSION``.

    Raises:
        ValueError: If there is no such model, alias or version.
    """
    name, is_number, number = said.partition("/")
    name, _, alias = name.partition("@")
    names = model_names()
    if name not in names:
        raise ValueError(
            f"there is no model {name!r}: {nearest(name, names) if names else 'none is registered yet'}"
        )
    versions = [str(made.version) for made in versions_of(name)]
    if is_number:
        if number not in versions:
            raise ValueError(
                f"{name} has no version {number!r}: expected one of {', '.join(sorted(versions, key=int))}"
            )
        return name, number
    found = version_with_alias(name, alias or CHAMPION)
    if found is None:
        raise ValueError(
            f"{name} has no {alias or CHAMPION}: name a version, as in {name}/{max(versions, key=int, default='1')}"
        )
    return name, found


def plain(value: Any) -> Any:
    """A cell of an answer as JSON takes it: what went through Parquet has arrays for lists."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    return None if isinstance(value, float) and math.isnan(value) else value
