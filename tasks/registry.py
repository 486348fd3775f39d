"""MLflow: one experiment per dataset, its runs, models and aliases. With serving.py the only import of it."""

import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

# Set before MLflow is imported, which reads some of them then.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK", "true")  # it would ask the package index
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")

import mlflow
import pandas as pd
from matplotlib.figure import Figure
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModel, Metric, Param, RunTag
from mlflow.entities.model_registry import ModelVersion as ModelVersionInfo
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from tasks.artifacts import ModelVersion, TokenSet, home

log = logging.getLogger(__name__)
# Read once: MLflow writes the address it is given into this very variable.
CHOSEN_URI = os.environ.get("MLFLOW_TRACKING_URI", "")
CHAMPION, CHALLENGER = "champion", "challenger"
KEY_TAG = "refrain.scores"  # names the scores, and by them all that went into a version


def tracking_uri() -> str:
    """Where MLflow keeps its records: ``MLFLOW_TRACKING_URI``, else SQLite in the store."""
    return CHOSEN_URI or f"sqlite:///{home() / 'mlflow.db'}"


@cache
def _client_at(uri: str) -> MlflowClient:
    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    home().mkdir(parents=True, exist_ok=True)
    return MlflowClient(uri)


def client() -> MlflowClient:
    """The client of the one MLflow there is."""
    uri = tracking_uri()
    if mlflow.get_tracking_uri() != uri:
        mlflow.set_tracking_uri(uri)
    return _client_at(uri)


def experiment(dataset: str) -> str:
    """Id of the dataset's experiment, made if it is not there."""
    found = client().get_experiment_by_name(dataset)
    if found:
        return str(found.experiment_id)
    is_local = tracking_uri().startswith("sqlite")
    place = (home() / "mlartifacts" / dataset).as_uri() if is_local else None
    return str(client().create_experiment(dataset, artifact_location=place))


def start_run(tokens: TokenSet, name: str, settings: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    """Open an MLflow run with its settings and the data that go into it, and return its id."""
    run = client().create_run(experiment(tokens.dataset), run_name=name, tags={"refrain.problem": tokens.problem, **tags})
    told = {"dataset": tokens.dataset, "problem": tokens.problem, **settings}
    told |= {f"tokens.{name}": value for name, value in tokens.settings.items()}
    params = [Param(key, str(value)) for key, value in told.items()]
    client().log_batch(run.info.run_id, params=params)
    snapshot = tokens.snapshot_of()
    inputs = [
        DatasetInput(
            Dataset(
                name=f"{tokens.dataset}-{split}", digest=snapshot.splits[split], source_type="local",
                source=(snapshot.folder / f"{split}.parquet").as_uri(), profile=f'{{"num_rows": {tokens.rows[split]}}}',
            ),
            tags=[InputTag("mlflow.data.context", split)],
        )
        for split in snapshot.splits
    ]  # fmt: skip
    client().log_inputs(run.info.run_id, inputs)
    return str(run.info.run_id)


def end_run(run_id: str, status: str) -> None:
    """Close an MLflow run as ``FINISHED``, ``FAILED`` or ``KILLED``."""
    client().set_terminated(run_id, status)


@contextmanager
def closing(run_id: str) -> Iterator[None]:
    """Close an MLflow run as failed or killed if the block does not end well."""
    client().update_run(run_id, status="RUNNING")
    try:
        yield
    except Exception:
        end_run(run_id, "FAILED")
        raise
    except BaseException:
        end_run(run_id, "KILLED")
        raise


def log_metrics(run_id: str, metrics: list[tuple[str, float, int, int]]) -> None:
    """Write metrics, many at once: name, value, step, milliseconds since 1970."""
    rows = [Metric(name, value, at, step) for name, value, step, at in metrics]
    for start in range(0, len(rows), 1000):  # MLflow takes no more at once
        client().log_batch(run_id, metrics=rows[start : start + 1000])


def set_tags(run_id: str, tags: Mapping[str, str]) -> None:
    """Write tags of an MLflow run."""
    client().log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def log_figure(run_id: str, figure: Figure, name: str) -> None:
    """Keep a figure with an MLflow run."""
    client().log_figure(run_id, figure, name)


def log_table(run_id: str, table: pd.DataFrame, name: str) -> None:
    """Keep a table with an MLflow run, as its own page shows tables."""
    client().log_table(run_id, table, name)


def log_file(run_id: str, path: Path, folder: str = "") -> None:
    """Keep a file with an MLflow run."""
    client().log_artifact(run_id, str(path), folder or None)


def run_link(run_id: str) -> str:
    """Where the MLflow UI shows a run, once it is started."""
    server = CHOSEN_URI if CHOSEN_URI.startswith("http") else "http://127.0.0.1:5000"
    return f"{server}/#/experiments/{client().get_run(run_id).info.experiment_id}/runs/{run_id}"


def find_version(name: str, key: str) -> str | None:
    """The version that carries a key, if there is one."""
    try:
        found = client().search_model_versions(f"name = '{name}' and tags.`{KEY_TAG}` = '{key}'")
    except MlflowException:
        return None
    return str(found[0].version) if found else None


def register(model: LoggedModel, version_of: ModelVersion, tags: Mapping[str, str]) -> str:
    """Make a version of the dataset's model and give it the alias ``challenger``."""
    name = version_of.name
    try:
        client().create_registered_model(name)
    except MlflowException:
        log.debug("model %s is registered already", name)
    made = client().create_model_version(
        name, source=f"models:/{model.model_id}", run_id=version_of.mlflow_run, model_id=model.model_id,
        tags={KEY_TAG: version_of.scores, **tags},
    )  # fmt: skip
    client().set_registered_model_alias(name, CHALLENGER, made.version)
    return str(made.version)


def version_with_alias(name: str, alias: str) -> str | None:
    """The version that an alias points to, if any."""
    try:
        return str(client().get_model_version_by_alias(name, alias).version)
    except MlflowException:
        return None


def set_alias(name: str, alias: str, number: str) -> None:
    """Point an alias to a version."""
    client().set_registered_model_alias(name, alias, number)


def aliases_of(name: str, number: str) -> list[str]:
    """The aliases that point to a version today."""
    aliases = client().get_registered_model(name).aliases
    return sorted(alias for alias, pointed in aliases.items() if str(pointed) == number)


@contextmanager
def asking() -> Iterator[None]:
    """Say in one line that MLflow gave no answer, without a password that stands in its address.

    Raises:
        OSError: If it gave none.
    """
    try:
        yield
    except Exception as error:  # of MLflow, of the database below it, of the network between
        said = re.sub(r"//[^/@\s]*@", "//***@", " ".join(str(error).split()))
        raise OSError(f"MLflow did not answer ({said[:300]}): look at MLFLOW_TRACKING_URI, and whether it runs") from error


@asking()
def model_names() -> list[str]:
    """Names of all registered models."""
    return [str(model.name) for model in _all_pages(client().search_registered_models)]


@asking()
def list_models() -> list[dict[str, Any]]:
    """All registered models: name, versions, aliases, and what is known of their champions."""
    found = []
    for model in _all_pages(client().search_registered_models):
        aliases = {alias: str(number) for alias, number in sorted(model.aliases.items())}
        champion = aliases.get(CHAMPION)
        tags = client().get_model_version(model.name, champion).tags if champion else {}
        latest = max((int(made.version) for made in versions_of(model.name)), default=0)
        found.append({"model": model.name, "versions": latest, "aliases": aliases, "champion": tags})
    return found


def versions_of(name: str) -> list[ModelVersionInfo]:
    """All versions of a model, however many; none if it is not registered."""
    return _all_pages(partial(client().search_model_versions, f"name = '{name}'"))


@asking()
def registered_scores(*, only_aliased: bool = False) -> list[tuple[str, str]]:
    """Model name and scores of every registered version, or of those that an alias points to."""
    found = []
    for model in _all_pages(client().search_registered_models):
        aliased = {str(number) for number in model.aliases.values()}
        named = [made for made in versions_of(model.name) if not only_aliased or str(made.version) in aliased]
        found += [(model.name, made.tags.get(KEY_TAG, "")) for made in named]
    return found


@asking()
def versions_by_scores(name: str) -> dict[str, str]:
    """Registered versions of a model with their aliases, the oldest first, by the digest of their scores."""
    made = sorted(versions_of(name), key=lambda each: int(each.version))
    aliases = client().get_registered_model(name).aliases if made else {}
    told = {}
    for each in made:
        ours = ", ".join(sorted(alias for alias, number in aliases.items() if str(number) == str(each.version)))
        told[each.tags.get(KEY_TAG, "")] = f"version {each.version}" + (f" ({ours})" if ours else "")
    return told


def _all_pages(search: Callable[..., Any]) -> list[Any]:
    found: list[Any] = []
    page = search()
    while True:
        found += page
        if not page.token:
            return found
        page = search(page_token=page.token)


@contextmanager
def staging() -> Iterator[Path]:
    """A folder to put the files of a model together in, from which MLflow can import its code."""
    folder = Path(tempfile.mkdtemp(prefix="refrain-model-"))
    sys.path.insert(0, str(folder))
    try:
        yield folder
    finally:
        sys.path.remove(str(folder))
        shutil.rmtree(folder, ignore_errors=True)
