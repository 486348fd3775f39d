"""Runs and logged models that were deleted in MLflow, removed for good with their files.

MLflow's own command for that, ``mlflow gc``, does not look at versions, and takes an
empty list for all. Its parts are used here, on what no version names.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tasks.registry.mlflow_client import client, is_ours
from tasks.registry.mlflow_library import delete_files
from tasks.registry.versions import all_pages, model_id_of

MILLISECONDS_PER_DAY = 86_400_000


@dataclass(frozen=True)
class Deleted:
    """A deleted run or logged model: its id, where its files are, and their bytes."""

    number: str
    is_model: bool
    location: str

    def __str__(self) -> str:
        return f"{'model' if self.is_model else 'run'} {self.number}"

    @property
    def num_bytes(self) -> int:
        """The size of its files on this disk."""
        folder = Path(unquote(urlsplit(self.location).path))
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def find_deleted(days: float) -> list[Deleted]:
    """List what was deleted before so many days and no version names; nothing elsewhere than here.

    Args:
        days: Younger deletions stay, so that a person can restore them.
    """
    return list(_found(round(days * MILLISECONDS_PER_DAY))) if is_ours() else []


def _store() -> Any:
    return client()._tracking_client.store


def _found(milliseconds: int) -> Iterator[Deleted]:
    store = _store()
    versions = all_pages(client().search_model_versions)
    runs = {info.run_id for info in versions}
    models = {model_id_of(info) for info in versions}
    for number in store._get_deleted_runs(older_than=milliseconds):
        if number not in runs:
            yield Deleted(number, False, str(store.get_run(number).info.artifact_uri))
    for number in store._get_deleted_logged_models(older_than=milliseconds):
        if number not in models:
            made = store.get_logged_model(number, allow_deleted=True)
            yield Deleted(number, True, str(made.artifact_location))


def remove_deleted(found: list[Deleted]) -> None:
    """Remove runs and logged models for good, the files first, as ``mlflow gc`` does."""
    store = _store()
    for each in found:
        delete_files(each.location)
        if each.is_model:
            store._hard_delete_logged_model(each.number)
        else:
            store._hard_delete_run(each.number)
