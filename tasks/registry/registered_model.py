"""Registered models as MLflow keeps and loads them: signature, requirements, answers here."""

import math
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.errors import nearest
from rnn_models.output_kind import ColumnType, ListOf, MapOf, OutputKind, StructOf
from rnn_models.problem import find_problem
from tasks.registry.mlflow_client import CHAMPION, version_with_alias
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
from tasks.registry.open_runs import adopt_run
from tasks.registry.versions import (
    PROBLEM,
    check_files,
    model_names,
    newest_versions,
    version_info,
)
from tasks.serving.input_texts import broken_character
from tasks.store.home import home
from tasks.store.temporary import private_folder

# MLflow's small distribution serves a model: without store, pages, scikit-learn, matplotlib.
DISTRIBUTIONS = {"mlflow": "mlflow-skinny"}
TYPES: dict[Any, DataType] = {
    str: DataType.string,
    float: DataType.double,
    int: DataType.long,
    bool: DataType.boolean,
}
UNFAMILIAR: dict[str, ColumnType] = {"unfamiliar": bool}  # the last column of every answer


def signature_of(
    kind: OutputKind, columns: Sequence[str], parameters: Mapping[str, Any]
) -> ModelSignature:
    """Describe the rows, answers and request parameters of a model.

    Args:
        kind: The shape of its answers.
        columns: Those of its rows: a text without a label has no such column.
        parameters: Request parameters with their defaults.
    """
    inputs = {
        name: each for name, each in kind.inputs.items() if not each.is_trained or name in columns
    }
    return ModelSignature(
        inputs=Schema(
            [
                ColSpec(mlflow_type(each.type), name, required=not each.is_optional)
                for name, each in inputs.items()
            ]
        ),
        outputs=Schema(
            [
                ColSpec(mlflow_type(each), name)
                for name, each in (dict(kind.columns) | UNFAMILIAR).items()
            ]
        ),
        params=ParamSchema(
            [ParamSpec(name, TYPES[type(value)], value) for name, value in parameters.items()]
        ),
    )


def mlflow_type(column: ColumnType) -> Any:
    """Translate the type of a column."""
    if isinstance(column, ListOf):
        return Array(mlflow_type(column.item))
    if isinstance(column, MapOf):
        return Map(mlflow_type(column.value))
    if isinstance(column, StructOf):
        fields = column.fields.items()
        return Object([Property(name, mlflow_type(each)) for name, each in fields])
    return TYPES[column]


def requirements_of(libraries: Sequence[str]) -> list[str]:
    """Pin the distributions of libraries to the versions that are installed here.

    The build of torch depends on the machine, so its local label is left out.
    """
    names = [DISTRIBUTIONS.get(library, library) for library in libraries]
    return [f"{name}=={version(name).split('+')[0]}" for name in names]


def log_model(
    run_id: str,
    code: Path,
    files: Path,
    package: Path,
    *,
    kind: OutputKind,
    example: pd.DataFrame,
    parameters: Mapping[str, Any],
    libraries: Sequence[str],
    tags: Mapping[str, str],
) -> LoggedModel:
    """Log a model as a pyfunc made of a Python file, weights and JSON, none pickled.

    Args:
        run_id: The MLflow run that trained it.
        code: The file for MLflow.
        files: Folder of weights and vocabularies.
        package: Folder of the code that it runs.
        kind: The shape of its answers.
        example: A row to try it with.
        parameters: Its request parameters with their defaults.
        libraries: Those that its code imports.
        tags: Of the logged model.
    """
    adopt_run(run_id)
    with mlflow.start_run(run_id=run_id), without_compiled_files():
        model: LoggedModel = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(code),
            artifacts={"model": str(files)},
            code_paths=[str(package)],
            input_example=(example, dict(parameters)),
            signature=signature_of(kind, list(example.columns), parameters),
            pip_requirements=requirements_of(libraries),
            tags=dict(tags),
        )
    return model


def download(name: str, number: str, folder: Path) -> Path:
    """Fetch a registered version's files from MLflow into a folder.

    Raises:
        DamagedError: If they are not those that were registered.
    """
    check_files(name, number)
    return Path(
        mlflow.artifacts.download_artifacts(f"models:/{name}/{number}", dst_path=str(folder))
    )


@contextmanager
def without_compiled_files() -> Iterator[None]:
    """Let imports write no compiled files beside the modules."""
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


@dataclass(frozen=True)
class Loaded:
    """A registered version, loaded into this process as anybody would load it."""

    name: str
    number: str
    pyfunc: Any

    @classmethod
    def of(cls, name: str, number: str) -> "Loaded":
        """Load a version."""
        check_files(name, number)
        address = f"models:/{name}/{number}"
        if "%" in str(home()):  # MLflow would decode such a path twice
            folder = Path(tempfile.mkdtemp(prefix="model-", dir=private_folder()))
            address = str(download(name, number, folder))
        # Its code is imported from the registry's own folder. Compiled files there would be run
        # next time, and nothing compares their content with what was registered.
        with without_compiled_files():
            return cls(name, number, mlflow.pyfunc.load_model(address))

    @property
    def kind(self) -> OutputKind:
        """The shape of its answers."""
        info = version_info(self.name, self.number)
        assert info, "it was loaded from the registry"
        return find_problem(info.tags[PROBLEM]).output

    @property
    def defaults(self) -> dict[str, Any]:
        """Its request parameters with their defaults."""
        schema = self.pyfunc.metadata.get_params_schema()
        return {each.name: each.default for each in schema or ()}

    def predict(self, rows: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Let it answer raw rows.

        Raises:
            ValueError: If rows or params are wrong; MLflow itself ignores unknown params.
        """
        unknown = sorted(set(params or ()) - set(self.defaults))
        if unknown:
            raise ValueError(
                f"{self.name} version {self.number} has no parameter {unknown[0]}, "
                f"only {', '.join(self.defaults)}"
            )
        self._check_characters(rows)
        try:
            predicted: pd.DataFrame = self.pyfunc.predict(rows, dict(params or {}))
        except MlflowException as error:
            raise ValueError(f"{self.name} version {self.number}: {error.message}") from error
        return predicted

    def _check_characters(self, rows: pd.DataFrame) -> None:
        """Reject broken text before MLflow converts it and fails with an error of its own."""
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


def find_model(model: str) -> tuple[str, str]:
    """Find name and version of ``NAME`` (its champion), ``NAME@ALIAS`` or ``NAME/VERSION``.

    Raises:
        ValueError: If there is no such model, alias or version.
    """
    name, is_number, number = model.partition("/")
    name, _, alias = name.partition("@")
    names = model_names()
    if name not in names:
        raise ValueError(
            f"there is no model {name!r}: "
            f"{nearest(name, names) if names else 'none is registered yet'}"
        )
    if is_number:
        if version_info(name, number) is None:
            raise ValueError(
                f"{name} has no version {number!r}: expected one of "
                f"{', '.join(sorted(newest_versions(name), key=int))}"
            )
        return name, number
    found = version_with_alias(name, alias or CHAMPION)
    if found is None:
        newest = next(iter(newest_versions(name, 1)), "1")
        raise ValueError(
            f"{name} has no {alias or CHAMPION}: name a version, as in {name}/{newest}"
        )
    return name, found


def plain(value: Any) -> Any:
    """Make a cell of an answer plain for JSON: a cell from Parquet has arrays for lists."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    return None if isinstance(value, float) and math.isnan(value) else value
