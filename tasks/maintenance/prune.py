"""Folders of the store that are no longer needed: found, shown, and only then removed."""

import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import RowError, nearest
from tasks.ingestion.learned_vectors import LearnedVectors
from tasks.ingestion.partitions import PartitionRows, piece_key
from tasks.ingestion.reference_snapshot import last_accepted
from tasks.ingestion.snapshot_log import SnapshotLog
from tasks.registry.version_lists import registered_scores
from tasks.registry.versions import model_names
from tasks.store.artifact_base import Artifact
from tasks.store.artifacts import (
    Checkpoint,
    Health,
    Promotion,
    Scores,
    Snapshot,
    SystemScores,
    TokenSet,
)
from tasks.store.home import home
from tasks.store.manifests import MANIFEST, explained_damage, read_manifest

# A kind comes before the kinds it is made from, so a crash in between leaves no dangling reference.
KINDS: tuple[type[Artifact], ...] = (
    SystemScores,
    Health,
    Scores,
    Checkpoint,
    TokenSet,
    LearnedVectors,
    Snapshot,
    PartitionRows,
)
# The fields of a manifest that name the artifacts it was made from.
MADE_OF: dict[type[Artifact], dict[str, type[Artifact]]] = {
    SystemScores: {"tokens": TokenSet},
    Health: {"tokens": TokenSet},
    Scores: {"checkpoint": Checkpoint, "tokens": TokenSet},
    Checkpoint: {"tokens": TokenSet},
    TokenSet: {"snapshot": Snapshot, "vectors": LearnedVectors},
}
SECONDS_PER_DAY = 24 * 3600


@dataclass(frozen=True)
class Found:
    """A folder of the store."""

    kind: type[Artifact]
    path: Path
    manifest: dict[str, Any] | None  # None if it was never finished

    @property
    def name(self) -> tuple[type[Artifact], str, str] | None:
        """Kind, dataset and digest, if it was finished."""
        return (
            (self.kind, self.manifest["dataset"], self.manifest["digest"])
            if self.manifest
            else None
        )

    @property
    def num_bytes(self) -> int:
        """The size of its files."""
        return sum(status.st_size for status in self._statuses() if stat.S_ISREG(status.st_mode))

    @property
    def touched(self) -> float:
        """The last change of the folder or one of its files, in seconds since 1970."""
        return max((status.st_mtime for status in self._statuses()), default=0.0)

    def _statuses(self) -> Iterator[os.stat_result]:
        for path in [self.path, *self.path.rglob("*")]:
            with suppress(FileNotFoundError):  # a flow run has just moved it
                yield path.stat()


@dataclass(frozen=True)
class Prunable:
    """A folder that can be removed, the reason, and its size."""

    path: Path
    why: str
    num_bytes: int


@explained_damage()
def find_prunable(
    datasets: Iterable[str] = (), *, days: float = 7.0, only_aliased: bool = False
) -> list[Prunable]:
    """List the folders that no registered version and no newest snapshot needs.

    Args:
        datasets: Names of the datasets; none for all.
        days: Keep folders written in the last so many days, as a flow run may
            still use them.
        only_aliased: Keep the artifacts of versions with an alias only
            (champion, previous, challenger).

    Raises:
        RowError: If the store has nothing of a dataset, or its models are not
            in the MLflow of MLFLOW_TRACKING_URI.
        OSError: If MLflow does not respond.
    """
    store = list(_store())
    wanted = set(datasets)
    _check_names(wanted, {_dataset_of(found) for found in store})
    _check_registry(wanted)
    youngest = time.time() - days * SECONDS_PER_DAY
    names = {found.name: found for found in store if found.name}
    young = {found.name for found in store if found.name and found.touched > youngest}
    needed = _needed(names, young | _roots(names, only_aliased=only_aliased))
    return [
        Prunable(found.path, _why(found), found.num_bytes)
        for found in store
        if found.name not in needed
        and found.touched <= youngest
        and (not wanted or _dataset_of(found) in wanted)
    ]


def _check_names(wanted: set[str], known: set[str]) -> None:
    for name in sorted(wanted - known):
        raise RowError(
            f"there is nothing of a dataset {name!r} in {home()}"
            + (f": {nearest(name, known)}" if known else "")
        )


def _check_registry(wanted: set[str]) -> None:
    """Check that MLflow has the models of this store: it may be the wrong MLflow."""
    promoted = {name.rpartition("-")[0] for name in _folders(Promotion)}
    promoted = promoted & wanted if wanted else promoted
    missing = sorted(promoted - set(model_names())) if promoted else []
    if missing:
        raise RowError(
            f"MLflow has no model {missing[0]}, but the store has a promotion of it, so it is not "
            "known which folders are needed: set MLFLOW_TRACKING_URI to its value at that time. "
            f"If you deleted the model, remove {home() / Promotion.KIND}/{missing[0]}-*"
        )


def prune(prunable: Iterable[Prunable]) -> int:
    """Remove the folders of ``find_prunable``, each manifest first; return the freed bytes."""
    freed = 0
    for item in prunable:
        (item.path / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(item.path)
        freed += item.num_bytes
    return freed


def _folders(kind: type[Artifact]) -> dict[str, Path]:
    return {path.name: path for path in sorted((home() / kind.KIND).glob("*/"))}


def _store() -> Iterator[Found]:
    for kind in KINDS:
        for path in _folders(kind).values():
            manifest = read_manifest(path)
            yield Found(kind, path, manifest.fields if manifest else None)


Name = tuple[type[Artifact], str, str]


def _roots(names: Iterable[Name], *, only_aliased: bool) -> set[Name]:
    """Find the artifacts to keep: newest and accepted snapshots, partitions, scores of versions."""
    roots: set[Name] = set()
    for dataset in {dataset for _, dataset, _ in names}:
        last = SnapshotLog.of(dataset).last
        accepted = last_accepted(dataset)
        if accepted:
            roots.add((Snapshot, dataset, accepted["snapshot"]))
        if last:
            roots.add((Snapshot, dataset, last.snapshot))
            roots |= {
                (PartitionRows, dataset, piece_key(piece, last.rows_key))
                for piece in last.known_pieces()
            }
    if any(kind is Scores for kind, _, _ in names):
        roots |= {
            (Scores, dataset, key) for dataset, key in registered_scores(only_aliased=only_aliased)
        }
    return roots


def _needed(names: dict[Name, Found], roots: set[Name]) -> set[Name]:
    needed = set(roots)
    waiting = list(roots)
    while waiting:
        found = names.get(waiting.pop())
        if found and found.manifest:
            made_of = {
                (kind, found.manifest["dataset"], found.manifest[key])
                for key, kind in MADE_OF.get(found.kind, {}).items()
                if found.manifest.get(key)
            }
            waiting += made_of - needed
            needed |= made_of
    return needed


def _why(found: Found) -> str:
    if found.manifest is None:
        return "never finished"
    if found.kind is Snapshot:
        return "an older snapshot that no registered version was trained on"
    return (
        "rows of a file or table that has changed since"
        if found.kind is PartitionRows
        else "not used by any registered version"
    )


def _dataset_of(found: Found) -> str:
    return (
        found.manifest["dataset"]
        if found.manifest
        else found.path.name.rpartition("-")[0].removesuffix("-partial")
    )
