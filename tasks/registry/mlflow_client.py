"""MLflow: one experiment per dataset, its runs, versions and aliases; with models.py all that talks to it from here."""

import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from tasks.registry.links import sqlite_url, ui_page, ui_url
from tasks.registry.mlflow_library import (
    Metric,
    MlflowClient,
    MlflowException,
    ModelVersion,
    RunTag,
    mlflow,
)
from tasks.registry.moved_store import FOLDER, follow_move
from tasks.store.home import home

log = logging.getLogger(__name__)
VersionInfo = ModelVersion  # what MLflow tells of a version, for modules that do not import it
# Read once: MLflow writes the address it is given into this very variable.
CHOSEN_URI = os.environ.get("MLFLOW_TRACKING_URI", "")
CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
GONE = "RESOURCE_DOES_NOT_EXIST"  # MLflow's word for what was deleted or never there


def tracking_uri() -> str:
    """Where MLflow keeps its records: ``MLFLOW_TRACKING_URI``, else SQLite in the store."""
    return CHOSEN_URI or sqlite_url(home() / "mlflow.db")


@cache
def _client_at(uri: str) -> MlflowClient:
    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    home().mkdir(parents=True, exist_ok=True)
    if is_ours():
        follow_move(home())
    return MlflowClient(uri)


def is_ours() -> bool:
    """Tell whether MLflow's records lie in the store."""
    return not CHOSEN_URI


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
        if found.lifecycle_stage != "active":
            client().restore_experiment(found.experiment_id)
            log.warning(
                "experiment %s had been deleted in MLflow; it is restored, for this training is logged there",
                dataset,
            )
        return str(found.experiment_id)
    is_local = tracking_uri().startswith("sqlite")
    place = (home() / FOLDER / dataset).as_uri() if is_local else None
    return str(client().create_experiment(dataset, artifact_location=place))


def log_metrics(run_id: str, metrics: list[tuple[str, float, int, int]]) -> None:
    """Write metrics, many at once: name, value, step, milliseconds since 1970."""
    rows = [Metric(name, value, at, step) for name, value, step, at in metrics]
    for start in range(0, len(rows), 1000):  # MLflow takes no more at once
        client().log_batch(run_id, metrics=rows[start : start + 1000])


def set_tags(run_id: str, tags: Mapping[str, str]) -> None:
    """Write tags of an MLflow run."""
    client().log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def set_version_tags(name: str, number: str, tags: Mapping[str, str]) -> None:
    """Write tags of a version."""
    for key, value in tags.items():
        _put_version_tag(name, number, key, value)


def _put_version_tag(name: str, number: str, tag: str, value: str) -> None:
    """Write a tag. MLflow looks whether it is there and then inserts it, so of two first writers at once one fails."""
    try:
        client().set_model_version_tag(name, number, tag, value)
    except MlflowException:
        if tag not in client().get_model_version(name, number).tags:
            raise
        client().set_model_version_tag(
            name, number, tag, value
        )  # it is there by now, so this changes it


def log_table(run_id: str, table: pd.DataFrame, name: str) -> None:
    """Keep a table with an MLflow run, as its own page shows tables."""
    client().log_table(run_id, table, name)


def server_link() -> str:
    """Where the MLflow UI is, once it is started; without a password that stands in the address."""
    return (
        re.sub(r"//[^/@]*@", "//", CHOSEN_URI.rstrip("/"))
        if CHOSEN_URI.startswith("http")
        else ui_url()
    )


def run_link(run_id: str) -> str:
    """Where the MLflow UI shows a run."""
    return ui_page(
        server_link(), f"experiments/{client().get_run(run_id).info.experiment_id}/runs/{run_id}"
    )


def version_link(name: str, number: str) -> str:
    """Where the MLflow UI shows a version."""
    return ui_page(server_link(), f"models/{quote(name, safe='')}/versions/{number}")


def model_files(model_id: str) -> dict[str, int]:
    """All files that MLflow keeps of a logged model, with their bytes; none if the model is gone."""
    found, waiting = dict[str, int](), [""]
    while waiting:
        try:
            listed = client().list_logged_model_artifacts(model_id, waiting.pop() or None)
        except MlflowException as error:
            if error.error_code == GONE:
                return {}
            raise
        waiting += [item.path for item in listed if item.is_dir]
        found |= {item.path: int(item.file_size or 0) for item in listed if not item.is_dir}
    return found


def models_of_run(run_id: str) -> dict[str, dict[str, str]]:
    """Tags of all models that were logged with an MLflow run, by their ids."""
    where, found, token = (
        [client().get_run(run_id).info.experiment_id],
        dict[str, dict[str, str]](),
        None,
    )
    while True:
        page = client().search_logged_models(
            where, filter_string=f"source_run_id = '{run_id}'", page_token=token
        )
        found |= {str(model.model_id): dict(model.tags) for model in page}
        token = page.token
        if not token:
            return found


def delete_model(model_id: str) -> None:
    """Delete a logged model; ``mlflow gc`` frees what its files take."""
    client().delete_logged_model(model_id)


def create_version(name: str, model_id: str, run_id: str, tags: Mapping[str, str]) -> None:
    """Make a version of a model, and the model if there is none of its name."""
    try:
        client().create_registered_model(name)
    except MlflowException:
        log.debug("model %s is registered already", name)
    client().create_model_version(
        name, source=f"models:/{model_id}", run_id=run_id, model_id=model_id, tags=dict(tags)
    )


def delete_version(name: str, number: str) -> None:
    """Delete a version, if another has not done so already."""
    try:
        client().delete_model_version(name, number)
    except MlflowException as error:
        if error.error_code != GONE:
            raise


def set_version_tag(name: str, number: str, tag: str, value: str) -> None:
    """Write a tag of a version; an empty one goes."""
    if value:
        _put_version_tag(name, number, tag, value)
    else:
        client().delete_model_version_tag(name, number, tag)


def describe_version(name: str, number: str, text: str) -> None:
    """Write what MLflow shows of a version, in Markdown."""
    client().update_model_version(name, number, text)


def day_of(run_id: str) -> str:
    """The day on which an MLflow run began, in UTC."""
    return (
        datetime.fromtimestamp(client().get_run(run_id).info.start_time / 1000, UTC)
        .date()
        .isoformat()
    )


def aliases(name: str) -> dict[str, str]:
    """Versions of a model by the aliases that point to them; none if there is no such model."""
    found = client().search_registered_models(f"name = '{name}'")
    return (
        {alias: str(number) for alias, number in sorted(found[0].aliases.items())} if found else {}
    )


def version_with_alias(name: str, alias: str) -> str | None:
    """The version that an alias points to, if any."""
    return aliases(name).get(alias)


def set_alias(name: str, alias: str, number: str) -> None:
    """Point an alias to a version; to none, and it goes."""
    if number:
        client().set_registered_model_alias(name, alias, number)
    else:
        client().delete_registered_model_alias(name, alias)


def aliases_of(name: str, number: str) -> list[str]:
    """The aliases that point to a version today."""
    return [alias for alias, pointed in aliases(name).items() if pointed == number]


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
