"""MLflow's client: one experiment per dataset, with its runs, versions and aliases."""

import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from tasks.registry import registry_tables
from tasks.registry.links import sqlite_url, ui_page, ui_url
from tasks.registry.mlflow_database import prepare_database
from tasks.registry.mlflow_library import (
    Metric,
    MlflowClient,
    MlflowException,
    ModelVersion,
    RunTag,
    mlflow,
)
from tasks.registry.moved_store import FOLDER
from tasks.store.home import home
from tasks.store.temporary import temporary_folder

log = logging.getLogger(__name__)
VersionInfo = ModelVersion  # MLflow's own class; tasks.store.artifacts has another of its name
ADDRESS = "MLFLOW_TRACKING_URI"
CHOSEN_URI = os.environ.get(ADDRESS, "")
CHAMPION = registry_tables.CHAMPION
CHALLENGER = "challenger"
PREVIOUS = "previous"
GONE = "RESOURCE_DOES_NOT_EXIST"  # MLflow's code for a deleted or unknown object


def tracking_uri() -> str:
    """Return MLflow's address: ``MLFLOW_TRACKING_URI``, else SQLite in the store."""
    return CHOSEN_URI or sqlite_url(home() / registry_tables.DATABASE)


@cache
def _client_at(uri: str) -> MlflowClient:
    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # It writes a traceback of each error that it also raises, a full disk for one.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    home().mkdir(parents=True, exist_ok=True)
    if is_ours():
        prepare_database(home())
    return MlflowClient(uri)


def is_ours() -> bool:
    """Tell whether MLflow's database is in the store."""
    return not CHOSEN_URI


def own_database() -> Path | None:
    """Return MLflow's database if it is in the store, and made."""
    path = home() / registry_tables.DATABASE
    return path if is_ours() and path.exists() else None


def client() -> MlflowClient:
    """Return the client of MLflow."""
    uri = tracking_uri()
    if mlflow.get_tracking_uri() != uri:
        _set_address(uri)
    return _client_at(uri)


def _set_address(uri: str) -> None:
    """Give MLflow its address, and leave the environment as the user made it.

    MLflow writes the address into the variable as well. A later look at the variable, and every
    child process, would take the store's own database for one that the user chose.
    """
    before = os.environ.get(ADDRESS)
    mlflow.set_tracking_uri(uri)
    if before is None:
        os.environ.pop(ADDRESS, None)
    else:
        os.environ[ADDRESS] = before


def experiment(dataset: str) -> str:
    """Return the id of a dataset's experiment; create or restore it if necessary."""
    found = client().get_experiment_by_name(dataset)
    if found:
        if found.lifecycle_stage != "active":
            client().restore_experiment(found.experiment_id)
            log.warning(
                "experiment %s was deleted in MLflow; it is restored to log this training",
                dataset,
            )
        return str(found.experiment_id)
    is_local = tracking_uri().startswith("sqlite")
    location = (home() / FOLDER / dataset).as_uri() if is_local else None
    return str(client().create_experiment(dataset, artifact_location=location))


def log_metrics(run_id: str, metrics: list[tuple[str, float, int, int]]) -> None:
    """Write metrics in batches: name, value, step, milliseconds since 1970."""
    rows = [Metric(name, value, at, step) for name, value, step, at in metrics]
    for start in range(0, len(rows), 1000):  # the most that MLflow accepts at once
        client().log_batch(run_id, metrics=rows[start : start + 1000])


def set_tags(run_id: str, tags: Mapping[str, str]) -> None:
    """Write tags of an MLflow run."""
    client().log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def _put_version_tag(name: str, number: str, tag: str, value: str) -> None:
    """Write a tag; retry if another process created it at the same time.

    MLflow checks whether a tag exists and then inserts it, so of two first
    writers at once one fails.
    """
    try:
        client().set_model_version_tag(name, number, tag, value)
    except MlflowException:
        if tag not in client().get_model_version(name, number).tags:
            raise
        client().set_model_version_tag(name, number, tag, value)  # now an update


def log_table(run_id: str, table: pd.DataFrame, name: str) -> None:
    """Store a table with an MLflow run, in the format that MLflow shows."""
    client().log_table(run_id, table, name)


def server_link() -> str:
    """Return the address of the MLflow UI, without a password."""
    if CHOSEN_URI.startswith("http"):
        return re.sub(r"//[^/@]*@", "//", CHOSEN_URI.rstrip("/"))
    return ui_url()


def run_link(run_id: str) -> str:
    """Return the address of a run in the MLflow UI."""
    number = client().get_run(run_id).info.experiment_id
    return ui_page(server_link(), f"experiments/{number}/runs/{run_id}")


def version_link(name: str, number: str) -> str:
    """Return the address of a version in the MLflow UI."""
    return ui_page(server_link(), f"models/{quote(name, safe='')}/versions/{number}")


def sources_of_run(name: str, run_id: str) -> set[str]:
    """Return the ids of the logged models that the versions of an MLflow run were made of."""
    found = client().search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
    return {str(info.source).removeprefix("models:/") for info in found}


def models_of_run(run_id: str) -> dict[str, dict[str, str]]:
    """Return the tags of all models logged with an MLflow run, by model id."""
    experiments = [client().get_run(run_id).info.experiment_id]
    found: dict[str, dict[str, str]] = {}
    token = None
    while True:
        page = client().search_logged_models(
            experiments, filter_string=f"source_run_id = '{run_id}'", page_token=token
        )
        found |= {str(model.model_id): dict(model.tags) for model in page}
        token = page.token
        if not token:
            return found


def delete_model(model_id: str) -> None:
    """Delete a logged model; ``mlflow gc`` removes its files."""
    client().delete_logged_model(model_id)


def create_version(name: str, model_id: str, run_id: str, tags: Mapping[str, str]) -> None:
    """Create a version of a model, and the model if it does not exist."""
    try:
        client().create_registered_model(name)
    except MlflowException:
        log.debug("model %s is registered already", name)
    client().create_model_version(
        name, source=f"models:/{model_id}", run_id=run_id, model_id=model_id, tags=dict(tags)
    )


def delete_version(name: str, number: str) -> None:
    """Delete a version, unless it is deleted already."""
    try:
        client().delete_model_version(name, number)
    except MlflowException as error:
        if error.error_code != GONE:
            raise


def set_version_tag(name: str, number: str, tag: str, value: str) -> None:
    """Write a tag of a version; delete it if the value is empty."""
    if value:
        _put_version_tag(name, number, tag, value)
    else:
        client().delete_model_version_tag(name, number, tag)


def describe_version(name: str, number: str, text: str) -> None:
    """Write the description of a version, in Markdown."""
    client().update_model_version(name, number, text)


def describe_model(name: str, text: str) -> None:
    """Write the description of a registered model, in Markdown, unless it has it."""
    if client().get_registered_model(name).description != text:
        client().update_registered_model(name, text)


def day_of(run_id: str) -> str:
    """Return the date on which an MLflow run started, in UTC."""
    started = client().get_run(run_id).info.start_time / 1000
    return datetime.fromtimestamp(started, UTC).date().isoformat()


def aliases(name: str) -> dict[str, str]:
    """Return the versions of a model by alias; none if there is no such model."""
    found = client().search_registered_models(f"name = '{name}'")
    return (
        {alias: str(number) for alias, number in sorted(found[0].aliases.items())} if found else {}
    )


def version_with_alias(name: str, alias: str) -> str | None:
    """Return the version of an alias, if any."""
    return aliases(name).get(alias)


def set_alias(name: str, alias: str, number: str) -> None:
    """Set an alias to a version; delete it if the version is empty."""
    if number:
        client().set_registered_model_alias(name, alias, number)
    else:
        client().delete_registered_model_alias(name, alias)


def aliases_of(name: str, number: str) -> list[str]:
    """Return the current aliases of a version."""
    return [alias for alias, pointed in aliases(name).items() if pointed == number]


@contextmanager
def staging() -> Iterator[Path]:
    """Provide a folder for the files of a model, from which MLflow can import its code."""
    with temporary_folder("model") as folder:
        sys.path.insert(0, str(folder))
        try:
            yield folder
        finally:
            sys.path.remove(str(folder))
