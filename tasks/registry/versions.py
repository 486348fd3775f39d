"""The versions of models in MLflow: one for each key, whole or not counted; found, completed and listed.

MLflow gives a new number to whoever asks for one. So a version carries its
key, and is looked for before it is made and again afterwards; a tag that is
written last of all says that it is complete. What changes versions is done
under a lock (``tasks/store/locks.py``).
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from data.errors import nearest
from tasks.registry import mlflow_client
from tasks.registry.mlflow_client import (
    CHALLENGER,
    CHAMPION,
    VersionInfo,
    aliases,
    client,
    model_files,
)
from tasks.store.code import digest

log = logging.getLogger(__name__)
KEY = "refrain.key"  # names all that went into a version
PROBLEM = "refrain.problem"  # what it learnt
SCORES = "refrain.scores"  # names its newest scores
FILES = "refrain.files"  # a digest of the names and sizes of its files
COMPLETE = "refrain.complete"  # when it was, written last
LOGGED_AT = "refrain.logged_at"  # of a logged model: whose lock it was made under


def is_complete(info: VersionInfo) -> bool:
    """Whether nothing of a version is missing; of one that others made, MLflow's own word counts."""
    return info.status == "READY" and (COMPLETE in info.tags or KEY not in info.tags)


def find_version(name: str, key: str) -> str | None:
    """The complete version that carries a key, if there is one.

    What a killed registration left is completed if all its files are there,
    else removed. Of several, which two machines made at once, the lowest stays.
    """
    same = _all_pages(
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
    if info.status != "READY" or digest(
        model_files(str(info.source).removeprefix("models:/"))
    ) != info.tags.get(FILES):
        return False
    mlflow_client.set_version_tag(
        info.name, info.version, COMPLETE, datetime.now(UTC).isoformat(timespec="seconds")
    )
    return True


def _remove(info: VersionInfo, why: str) -> None:
    named = mlflow_client.aliases_of(info.name, str(info.version))
    if named:  # somebody has decided for it: that is not ours to undo
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
    files: Mapping[str, int],
) -> str:
    """Make the version of a key, verify it, and only then call it complete.

    Args:
        name: Under which it is registered.
        key: Names all that went into it.
        model_id: The model as it was logged.
        run_id: The MLflow run that it came from.
        tags: What it tells about itself.
        files: Files that must be among its own, with their bytes.

    Raises:
        OSError: If MLflow has not kept all of it.
    """
    there = model_files(model_id)
    lost = sorted(path for path, num_bytes in files.items() if there.get(path) != num_bytes)
    if lost:
        raise OSError(
            f"{name}: MLflow kept {len(files) - len(lost)} of {len(files)} files, not {lost[0]}: is its disk full?"
        )
    mlflow_client.create_version(name, model_id, run_id, {**tags, KEY: key, FILES: digest(there)})
    number = find_version(name, key)
    if number is None:
        raise OSError(
            f"{name}: the version that was just made is not there: did another program delete it? Start again"
        )
    return number


def clear_left(name: str, run_id: str, place: str) -> None:
    """Delete the models that killed registrations of an MLflow run left, of which no version was made.

    Only what was logged at ``place`` goes, where the caller holds the lock of
    registrations: elsewhere another may be about to make a version of its own.
    """
    of_versions = {str(info.source).removeprefix("models:/") for info in versions_of(name)}
    for model_id, tags in mlflow_client.models_of_run(run_id).items():
        if tags.get(LOGGED_AT) == place and model_id not in of_versions:
            log.warning(
                "%s: model %s was logged and no version made of it: removed", name, model_id
            )
            mlflow_client.delete_model(model_id)


def tell(name: str, number: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Bring tags of a version up to date, and return all that it has."""
    known = dict(check_complete(name, number).tags)
    for tag, value in tags.items():
        if known.get(tag) != value:
            mlflow_client.set_version_tag(name, number, tag, value)
    return known | dict(tags)


def challenge(name: str, number: str) -> None:
    """Give a version the alias ``challenger``, unless a newer one has it."""
    if int(aliases(name).get(CHALLENGER, 0)) < int(number):
        mlflow_client.set_alias(name, CHALLENGER, number)


def version_info(name: str, number: str) -> VersionInfo | None:
    """What MLflow tells of a version, if there is one of this number."""
    return next((info for info in versions_of(name) if str(info.version) == number), None)


def check_complete(name: str, number: str) -> VersionInfo:
    """Refuse a version that nothing must point to.

    Raises:
        ValueError: If it is not there, or not whole.
    """
    info = version_info(name, number)
    if info is None:
        known = sorted((int(info.version) for info in versions_of(name)), reverse=True)
        raise ValueError(
            f"{name} has no version {number}: there are {', '.join(map(str, known[:10])) or 'none'}"
        )
    if not is_complete(info):
        raise ValueError(
            f"{name} version {number} is not complete: its registration was stopped; the same flow run again completes it"
        )
    return info


def check_model(name: str) -> None:
    """Refuse a model that MLflow does not have.

    Raises:
        ValueError: With the nearest name.
        OSError: If MLflow gave no answer.
    """
    known = model_names()
    if name not in known:
        said = nearest(name, known) if known else "none is registered yet"
        raise ValueError(f"there is no model {name!r} in MLflow: {said}")


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
        raise OSError(
            f"MLflow did not answer ({said[:300]}): look at MLFLOW_TRACKING_URI, and whether it runs"
        ) from error


@asking()
def model_names() -> list[str]:
    """Names of all registered models."""
    return [str(model.name) for model in _all_pages(client().search_registered_models)]


@asking()
def list_models() -> list[dict[str, Any]]:
    """All registered models: name, versions, aliases, and what is known of their champions."""
    found = []
    for model in _all_pages(client().search_registered_models):
        named = {alias: str(number) for alias, number in sorted(model.aliases.items())}
        champion = named.get(CHAMPION)
        tags = client().get_model_version(model.name, champion).tags if champion else {}
        latest = max((int(made.version) for made in versions_of(model.name)), default=0)
        found.append({"model": model.name, "versions": latest, "aliases": named, "champion": tags})
    return found


def versions_of(name: str) -> list[VersionInfo]:
    """All versions of a model, however many; none if it is not registered."""
    return _all_pages(partial(client().search_model_versions, f"name = '{name}'"))


@asking()
def registered_scores(*, only_aliased: bool = False) -> list[tuple[str, str]]:
    """Model name and scores of every registered version, or of those that an alias points to."""
    found = []
    for model in _all_pages(client().search_registered_models):
        aliased = {str(number) for number in model.aliases.values()}
        named = [
            made
            for made in versions_of(model.name)
            if not only_aliased or str(made.version) in aliased
        ]
        found += [(model.name, made.tags.get(SCORES, "")) for made in named]
    return found


@asking()
def versions_by_scores(name: str) -> dict[str, str]:
    """Registered versions of a model with their aliases, the oldest first, by the digest of their scores."""
    made = sorted(versions_of(name), key=lambda each: int(each.version))
    named = aliases(name) if made else {}
    told = {}
    for each in made:
        ours = ", ".join(alias for alias, number in named.items() if number == str(each.version))
        told[each.tags.get(SCORES, "")] = f"version {each.version}" + (f" ({ours})" if ours else "")
    return told


def _all_pages(search: Callable[..., Any]) -> list[Any]:
    found: list[Any] = []
    page = search()
    while True:
        found += page
        if not page.token:
            return found
        page = search(page_token=page.token)
