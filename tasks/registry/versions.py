"""The versions of models in MLflow: one per key, complete or ignored; found, completed, listed.

MLflow gives a new number to each request. So a version carries its key, and is
looked up before it is made and again afterwards; a tag written last marks it as
complete. Versions are changed under a lock (``tasks/store/locks.py``).
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from data.errors import nearest
from data.sources.secret_references import hide_logins
from tasks.registry import mlflow_client
from tasks.registry.mlflow_client import (
    CHALLENGER,
    GONE,
    VersionInfo,
    aliases,
    client,
)
from tasks.registry.mlflow_library import MlflowException
from tasks.registry.version_files import FILES, fault_of, recorded_files, stored_files
from tasks.store.checksums import FileSum
from tasks.store.sealed import DamagedError

log = logging.getLogger(__name__)
KEY = "refrain.key"  # a digest of all inputs of a version
PROBLEM = "refrain.problem"
SNAPSHOT = "refrain.snapshot"
SCORES = "refrain.scores"  # the digest of its newest scores
COMPLETE = "refrain.complete"  # the time it was completed, written last
LOGGED_AT = "refrain.logged_at"  # of a logged model: the machine and store of its lock


def is_complete(info: VersionInfo) -> bool:
    """Tell whether a version is complete; for other programs' versions, MLflow's status counts."""
    return info.status == "READY" and (COMPLETE in info.tags or KEY not in info.tags)


def find_version(name: str, key: str) -> str | None:
    """Find the complete version of a key, if there is one.

    The version of a killed registration is completed if it has all files, else
    removed. If two machines made one at the same time, the lowest stays.
    """
    same = all_pages(
        partial(client().search_model_versions, f"name = '{name}' and tags.`{KEY}` = '{key}'")
    )
    kept = None
    for info in sorted(same, key=lambda info: int(info.version)):
        if kept is None and (is_complete(info) or _completed(info)):
            kept = str(info.version)
        else:
            _remove(info, f"is the same as version {kept}" if kept else "lacks files")
    return kept


def _completed(info: VersionInfo) -> bool:
    files = recorded_files(info.tags)
    if info.status != "READY" or not files or fault_of(model_id_of(info), files):
        return False
    mlflow_client.set_version_tag(
        info.name, info.version, COMPLETE, datetime.now(UTC).isoformat(timespec="seconds")
    )
    return True


def _remove(info: VersionInfo, why: str) -> None:
    named = mlflow_client.aliases_of(info.name, str(info.version))
    if named:  # a person or a promotion set the alias: keep it
        log.warning(
            "%s version %s %s, but is %s, so it stays",
            info.name,
            info.version,
            why,
            ", ".join(named),
        )
        return
    log.warning("%s version %s %s: removed", info.name, info.version, why)
    mlflow_client.delete_version(info.name, str(info.version))


def make_version(
    name: str,
    key: str,
    model_id: str,
    run_id: str,
    *,
    tags: Mapping[str, str],
    files: Mapping[str, FileSum],
) -> str:
    """Make the version of a key, read its files back, and mark it as complete.

    Args:
        name: Name of the registered model.
        key: Digest of all its inputs.
        model_id: Id of the logged model.
        run_id: The MLflow run of its training.
        tags: Its tags.
        files: Files that it must have, with their sizes and digests.

    Raises:
        OSError: If MLflow has not stored all files.
    """
    there = stored_files(model_id)
    missing = sorted(path for path, each in files.items() if there.get(path) != each)
    if missing:
        raise OSError(
            f"{name}: MLflow stored {len(files) - len(missing)} of {len(files)} files, "
            f"not {missing[0]}: is its disk full?"
        )
    mlflow_client.create_version(
        name, model_id, run_id, {**tags, KEY: key, FILES: json.dumps(there)}
    )
    number = find_version(name, key)
    if number is None:
        raise OSError(
            f"{name}: the new version is missing: did another program delete it? Start again"
        )
    return number


def model_id_of(info: VersionInfo) -> str:
    """Return the id of the logged model that a version is; empty for those of other programs."""
    source = str(info.source)
    return source.removeprefix("models:/") if source.startswith("models:/m-") else ""


def fault_of_version(info: VersionInfo, *, is_thorough: bool = False) -> str:
    """Describe the first fault of a version's files; empty if there is none."""
    model_id = model_id_of(info)
    return (
        fault_of(model_id, recorded_files(info.tags), is_thorough=is_thorough) if model_id else ""
    )


def check_files(name: str, number: str) -> None:
    """Check that the files of a version are those that were registered.

    Raises:
        DamagedError: If one is not; with what to do.
    """
    info = version_info(name, number)
    fault = fault_of_version(info) if info else ""
    if fault:
        raise DamagedError(
            f"{name} version {number} is damaged: {fault}. refrain run {name} restores it if its "
            f"rows, settings and code are unchanged; refrain rollback {name} takes another version"
        )


def delete_leftovers(name: str, run_id: str, place: str) -> None:
    """Delete the logged models of killed registrations of an MLflow run.

    Only models logged at ``place`` are deleted, where the caller holds the lock
    of registrations: elsewhere another process may be about to register one.
    """
    of_versions = mlflow_client.sources_of_run(name, run_id)
    for model_id, tags in mlflow_client.models_of_run(run_id).items():
        if tags.get(LOGGED_AT) == place and model_id not in of_versions:
            log.warning("%s: model %s was logged but not registered: removed", name, model_id)
            mlflow_client.delete_model(model_id)


def set_challenger(name: str, number: str) -> None:
    """Give a version the alias ``challenger``, unless a newer one has it."""
    if int(aliases(name).get(CHALLENGER, 0)) < int(number):
        mlflow_client.set_alias(name, CHALLENGER, number)


def version_info(name: str, number: str) -> VersionInfo | None:
    """Find a version by its number, which may be any text."""
    try:
        return client().get_model_version(name, number) if number.isdecimal() else None
    except MlflowException as error:
        if error.error_code != GONE:
            raise
        return None


def check_complete(name: str, number: str) -> VersionInfo:
    """Check that a version is complete, as an alias must not point to an incomplete one.

    Raises:
        ValueError: If it does not exist or is not complete.
    """
    info = version_info(name, number)
    if info is None:
        raise ValueError(
            f"{name} has no version {number}: there are "
            f"{', '.join(newest_versions(name)) or 'none'}"
        )
    if not is_complete(info):
        raise ValueError(
            f"{name} version {number} is not complete: its registration was interrupted; "
            "the same flow run again completes it"
        )
    return info


def newest_versions(name: str, num: int = 10) -> list[str]:
    """List the numbers of the newest versions of a model, the newest first."""
    return [str(info.version) for info in newest_infos(name, num)]


def newest_infos(name: str, num: int) -> list[VersionInfo]:
    """List the newest versions of a model, the newest first."""
    return list(
        client().search_model_versions(
            f"name = '{name}'", max_results=num, order_by=["version_number DESC"]
        )
    )


def check_model(name: str) -> None:
    """Check that MLflow has a model.

    Raises:
        ValueError: If it has not; with the nearest name.
        OSError: If MLflow does not respond.
    """
    known = model_names()
    if name not in known:
        hint = nearest(name, known) if known else "none is registered yet"
        raise ValueError(f"there is no model {name!r} in MLflow: {hint}")


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn any error of MLflow into one line, without a password of its address.

    Raises:
        OSError: If MLflow does not respond.
        ValueError: If the store's database or the folder of its models is damaged or missing.
    """
    try:
        yield
    except Exception as error:  # of MLflow, of the database below it, of the network between
        if type(error) is ValueError:  # our own check of the store: a sentence already
            raise
        message = hide_logins(" ".join(str(error).split()))
        raise OSError(
            f"MLflow did not respond ({message[:300]}): check MLFLOW_TRACKING_URI and the server"
        ) from error


@one_line_errors()
def model_names() -> list[str]:
    """List the names of all registered models."""
    return [str(model.name) for model in all_pages(client().search_registered_models)]


def versions_of(name: str) -> list[VersionInfo]:
    """List all versions of a model; none if it is not registered."""
    return all_pages(partial(client().search_model_versions, f"name = '{name}'"))


def all_pages(search: Callable[..., Any]) -> list[Any]:
    """Collect the results of all pages of a search of MLflow."""
    found: list[Any] = []
    page = search()
    while True:
        found += page
        if not page.token:
            return found
        page = search(page_token=page.token)
