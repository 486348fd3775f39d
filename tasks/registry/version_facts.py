"""The facts of a version: up to fifteen tags for its page, all others in one JSON file.

The file lies beside the files of its model, so it has the model's life. It
carries a digest of its content.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

from tasks.registry import mlflow_client
from tasks.registry.mlflow_client import VersionInfo, client
from tasks.registry.mlflow_library import mlflow
from tasks.registry.version_files import FACTS, FILES, local_folder
from tasks.registry.versions import (
    COMPLETE,
    KEY,
    PROBLEM,
    SCORES,
    SNAPSHOT,
    check_complete,
    model_id_of,
)
from tasks.store.locks import locked
from tasks.store.sealed import read_sealed, write_sealed
from tasks.store.temporary import temporary_folder

log = logging.getLogger(__name__)
SHOWN = frozenset(
    {
        KEY,
        FILES,
        COMPLETE,
        PROBLEM,
        SNAPSHOT,
        SCORES,
        "refrain.metric",
        "refrain.score",
        "refrain.interval",
        "refrain.signature",
        "refrain.baseline",
        "refrain.card",
        "refrain.decision",
        "refrain.decision.digest",
        "refrain.rolled_back",
    }
)


def parted(facts: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Part facts into those that are tags and those in the file."""
    tags = {name: value for name, value in facts.items() if name in SHOWN}
    return tags, {name: value for name, value in facts.items() if name not in SHOWN}


def all_facts(info: VersionInfo) -> dict[str, str]:
    """Read all facts of a version; one of an earlier Refrain has all of them as tags.

    Raises:
        DamagedError: If the file has other content than was written.
    """
    return dict(info.tags) | read_facts(model_id_of(info))


def keep_facts(name: str, number: str, facts: Mapping[str, str]) -> dict[str, str]:
    """Bring some facts of a version up to date, and return all of them.

    A version that another program registered has no file: there all are tags.
    """
    info = check_complete(name, number)
    model_id = model_id_of(info)
    tags, others = parted(facts) if model_id else (dict(facts), {})
    for tag, value in tags.items():
        if info.tags.get(tag) != value:
            mlflow_client.set_version_tag(name, number, tag, value)
    if not model_id:
        return dict(info.tags) | tags
    with locked("facts", name):
        known = read_facts(model_id)
        if known | others != known:
            write_facts(model_id, known | others)
    return dict(info.tags) | tags | known | others


def read_facts(model_id: str) -> dict[str, str]:
    """Read the file of a logged model; no facts where there is none."""
    if not model_id:
        return {}
    folder = local_folder(model_id)
    if folder:
        return _read(folder / FACTS) if (folder / FACTS).exists() else {}
    if FACTS not in {item.path for item in client().list_logged_model_artifacts(model_id)}:
        return {}
    with temporary_folder("facts") as copy:
        address = f"{client().get_logged_model(model_id).artifact_location}/{FACTS}"
        return _read(Path(mlflow.artifacts.download_artifacts(address, dst_path=str(copy))))


def _read(path: Path) -> dict[str, str]:
    return {name: str(value) for name, value in read_sealed(path).items()}


def write_facts(model_id: str, facts: Mapping[str, str]) -> None:
    """Write the file of a logged model."""
    folder = local_folder(model_id)
    if folder:
        write_sealed(folder / FACTS, facts)
        return
    with temporary_folder("facts") as made:
        write_sealed(made / FACTS, facts)
        client().log_model_artifacts(model_id, str(made))
