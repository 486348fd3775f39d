"""Versions that never became champion, and are neither new nor asked about."""

import time
from dataclasses import dataclass

from tasks.maintenance.prune import SECONDS_PER_DAY
from tasks.promotion.ledger import Ledger
from tasks.registry import mlflow_client
from tasks.registry.versions import KEY, model_id_of, model_names, versions_of
from tasks.store.locks import locked


@dataclass(frozen=True)
class OldVersion:
    """A version that nobody needs: its model, its number, and the logged model that it is."""

    name: str
    number: str
    model_id: str

    def __str__(self) -> str:
        return f"{self.name} version {self.number}"


def find_versions(days: float, num_kept: int) -> list[OldVersion]:
    """List the versions that nobody needs.

    Args:
        days: Those that were made in the last so many days stay.
        num_kept: So many of the newest of each model stay.
    """
    return [found for name in model_names() for found in _of_model(name, days, num_kept)]


def _of_model(name: str, days: float, num_kept: int) -> list[OldVersion]:
    youngest = time.time() - days * SECONDS_PER_DAY
    needed = needed_versions(name)
    infos = sorted(versions_of(name), key=lambda info: -int(info.version))
    return [
        OldVersion(name, str(info.version), model_id_of(info))
        for info in infos[num_kept:]
        if str(info.version) not in needed
        and KEY in info.tags  # those of other programs are theirs
        and info.creation_timestamp / 1000 <= youngest
    ]


def needed_versions(name: str) -> set[str]:
    """List the versions that stay: with an alias, once champion, or asked about."""
    ledger = Ledger.of(name)
    champions = {
        number for line in ledger.lines for number in (line.champion, line.replaced, line.previous)
    }
    asked = {ledger.question.version} if ledger.question else set()
    return champions | asked | set(mlflow_client.aliases(name).values())


def remove_versions(found: list[OldVersion]) -> list[OldVersion]:
    """Delete versions that still are not needed, and their logged models; return those.

    MLflow keeps the files of a deleted model until they are removed for good.
    """
    removed = []
    for version in found:
        with locked("versions", version.name), locked("champion", version.name):
            if version.number in needed_versions(version.name):
                continue
            mlflow_client.delete_version(version.name, version.number)
            others = {model_id_of(info) for info in versions_of(version.name)}
            if version.model_id and version.model_id not in others:
                mlflow_client.delete_model(version.model_id)
        removed.append(version)
    return removed
