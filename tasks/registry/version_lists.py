"""Lists of all models and versions: from MLflow's tables in the store, else by its client."""

from typing import Any

from tasks.registry import mlflow_client
from tasks.registry.mlflow_client import CHAMPION, client
from tasks.registry.registry_tables import read_aliases, read_models, read_tags
from tasks.registry.versions import (
    SCORES,
    SNAPSHOT,
    all_pages,
    model_names,
    newest_versions,
    one_line_errors,
    versions_of,
)


@one_line_errors()
def list_models() -> list[dict[str, Any]]:
    """List all registered models: name, versions, aliases, and the tags of their champions."""
    database = mlflow_client.own_database()
    if database:
        return read_models(database)
    found = []
    for model in all_pages(client().search_registered_models):
        named = {alias: str(number) for alias, number in sorted(model.aliases.items())}
        champion = named.get(CHAMPION)
        tags = client().get_model_version(model.name, champion).tags if champion else {}
        latest = int(next(iter(newest_versions(model.name, 1)), 0))
        found.append({"model": model.name, "versions": latest, "aliases": named, "champion": tags})
    return found


@one_line_errors()
def registered_scores(*, only_aliased: bool = False) -> list[tuple[str, str]]:
    """List the model name and scores of every registered version, or of every aliased one."""
    named = _aliases_of_versions() if only_aliased else {}
    return [
        (name, key)
        for name, number, key in _tags_of_versions(SCORES)
        if not only_aliased or (name, number) in named
    ]


@one_line_errors()
def versions_by_snapshot(dataset: str) -> dict[str, list[str]]:
    """Describe the versions of a dataset with their aliases, oldest first, by snapshot."""
    named = _aliases_of_versions()
    found: dict[str, list[str]] = {}
    for name, number, snapshot in _tags_of_versions(SNAPSHOT):
        if name == dataset and snapshot:
            shown = ", ".join(named.get((name, number), ()))
            described = f"version {number}" + (f" ({shown})" if shown else "")
            found.setdefault(snapshot, []).append(described)
    return found


def _tags_of_versions(tag: str) -> list[tuple[str, str, str]]:
    """List model, version and one tag of every version, in order; empty where it has none."""
    database = mlflow_client.own_database()
    if database:
        return read_tags(database, tag)
    infos = [info for name in model_names() for info in versions_of(name)]
    infos.sort(key=lambda info: (info.name, int(info.version)))
    return [(str(info.name), str(info.version), info.tags.get(tag, "")) for info in infos]


def _aliases_of_versions() -> dict[tuple[str, str], list[str]]:
    """List the aliases of each version that has some."""
    database = mlflow_client.own_database()
    if database:
        return read_aliases(database)
    found: dict[tuple[str, str], list[str]] = {}
    for model in all_pages(client().search_registered_models):
        for alias, number in sorted(model.aliases.items()):
            found.setdefault((model.name, str(number)), []).append(alias)
    return found
