"""What the store holds and nothing needs any more: found, shown, and only then removed."""

import json
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
from tasks.ingestion.partitions import PieceRows, piece_key
from tasks.ingestion.reference_snapshot import last_accepted
from tasks.ingestion.snapshot_log import History
from tasks.registry.versions import model_names, registered_scores
from tasks.store.artifacts import (
    MANIFEST,
    Checkpoint,
    Health,
    Noun,
    Promotion,
    Scores,
    Snapshot,
    SystemScores,
    TokenSet,
)
from tasks.store.home import home

# What is made of something comes before it, so a crash between two of them leaves nothing that points nowhere.
KINDS: tuple[type[Noun], ...] = (
    SystemScores,
    Health,
    Scores,
    Checkpoint,
    TokenSet,
    Snapshot,
    PieceRows,
)
# The fields of a manifest that name what it was made of.
MADE_OF: dict[type[Noun], dict[str, type[Noun]]] = {
    SystemScores: {"tokens": TokenSet},
    Health: {"tokens": TokenSet},
    Scores: {"checkpoint": Checkpoint, "tokens": TokenSet},
    Checkpoint: {"tokens": TokenSet},
    TokenSet: {"snapshot": Snapshot},
}
SECONDS_PER_DAY = 24 * 3600


@dataclass(frozen=True)
class Found:
    """A folder of the store."""

    kind: type[Noun]
    path: Path
    manifest: dict[str, Any] | None  # None if it was never finished

    @property
    def name(self) -> tuple[type[Noun], str, str] | None:
        """Kind, dataset and digest, if it was finished."""
        return (
            (self.kind, self.manifest["dataset"], self.manifest["digest"])
            if self.manifest
            else None
        )

    @property
    def num_bytes(self) -> int:
        """What its files take."""
        return sum(status.st_size for status in self._statuses() if stat.S_ISREG(status.st_mode))

    @property
    def touched(self) -> float:
        """When it or one of its files was last written, seconds since 1970."""
        return max((status.st_mtime for status in self._statuses()), default=0.0)

    def _statuses(self) -> Iterator[os.stat_result]:
        for path in [self.path, *self.path.rglob("*")]:
            with suppress(FileNotFoundError):  # a flow run at work has moved it
                yield path.stat()


@dataclass(frozen=True)
class Prunable:
    """What can go: where it lies, why nothing needs it, and how large it is."""

    path: Path
    why: str
    num_bytes: int


def find_prunable(
    datasets: Iterable[str] = (), *, days: float = 7.0, only_aliased: bool = False
) -> list[Prunable]:
    """List what nothing needs: neither the newest snapshot of a dataset nor a registered version.

    Args:
        datasets: Names of the datasets to look at; none for all.
        days: What was written to in the last so many days stays, for a flow
            run may be at work on it or go on with it.
        only_aliased: Of the registered versions, only those with an alias
            (champion, previous, challenger) keep what they were made of.

    Raises:
        RowError: If nothing of a dataset is in the store, or its models are
            registered elsewhere than in the MLflow that is asked.
        OSError: If MLflow cannot be asked.
    """
    store, wanted = list(_store()), set(datasets)
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
            f"nothing of a dataset {name!r} lies in {home()}"
            + (f": {nearest(name, known)}" if known else "")
        )


def _check_registry(wanted: set[str]) -> None:
    """Refuse to take an MLflow that never saw the models of this store for one in which they were deleted."""
    made = {name.rpartition("-")[0] for name in _folders(Promotion)}
    made = made & wanted if wanted else made
    lost = sorted(made - set(model_names())) if made else []
    if lost:
        raise RowError(
            f"MLflow knows no model {lost[0]}, but the store has a promotion of one, so what is needed cannot be told: "
            f"set MLFLOW_TRACKING_URI to what it was then. If you deleted it, remove {home() / Promotion.KIND}/{lost[0]}-*"
        )


def prune(prunable: Iterable[Prunable]) -> int:
    """Remove what ``find_prunable`` listed, and say how many bytes that freed; each folder ends to exist at once."""
    freed = 0
    for item in prunable:
        (item.path / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(item.path)
        freed += item.num_bytes
    return freed


def _folders(kind: type[Noun]) -> dict[str, Path]:
    return {path.name: path for path in sorted((home() / kind.KIND).glob("*/"))}


def _store() -> Iterator[Found]:
    for kind in KINDS:
        for path in _folders(kind).values():
            manifest = path / MANIFEST
            yield Found(
                kind,
                path,
                json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else None,
            )


Name = tuple[type[Noun], str, str]


def _roots(names: Iterable[Name], *, only_aliased: bool) -> set[Name]:
    """What is needed for itself: the newest and the accepted snapshot of each dataset, kept pieces, scores of versions."""
    roots: set[Name] = set()
    for dataset in {dataset for _, dataset, _ in names}:
        last, accepted = History.of(dataset).last, last_accepted(dataset)
        if accepted:
            roots.add((Snapshot, dataset, accepted["snapshot"]))
        if last:
            roots.add((Snapshot, dataset, last.snapshot))
            roots |= {
                (PieceRows, dataset, piece_key(piece, last.rows_key))
                for piece in last.known_pieces()
            }
    if any(kind is Scores for kind, _, _ in names):
        roots |= {
            (Scores, dataset, key) for dataset, key in registered_scores(only_aliased=only_aliased)
        }
    return roots


def _needed(names: dict[Name, Found], roots: set[Name]) -> set[Name]:
    needed, waiting = set(roots), list(roots)
    while waiting:
        found = names.get(waiting.pop())
        if found and found.manifest:
            made_of = {
                (kind, found.manifest["dataset"], found.manifest[key])
                for key, kind in MADE_OF.get(found.kind, {}).items()
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
        if found.kind is PieceRows
        else "of no registered version"
    )


def _dataset_of(found: Found) -> str:
    return (
        found.manifest["dataset"]
        if found.manifest
        else found.path.name.rpartition("-")[0].removesuffix("-partial")
    )
