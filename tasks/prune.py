"""What the store holds and nothing needs any more: found, shown, and only then removed."""

import json
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.artifacts import MANIFEST, Checkpoint, Noun, Scores, Snapshot, TokenSet, home
from tasks.history import History
from tasks.pieces import PieceRows, piece_key
from tasks.registry import registered_scores

# What is made of something comes before it, so a crash between two of them leaves nothing that points nowhere.
KINDS: tuple[type[Noun], ...] = (Scores, Checkpoint, TokenSet, Snapshot, PieceRows)
# The fields of a manifest that name what it was made of.
MADE_OF: dict[type[Noun], dict[str, type[Noun]]] = {
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
        return (self.kind, self.manifest["dataset"], self.manifest["digest"]) if self.manifest else None

    @property
    def num_bytes(self) -> int:
        """What its files take."""
        return sum(path.stat().st_size for path in self.path.rglob("*") if path.is_file())

    @property
    def touched(self) -> float:
        """When one of its files was last written, seconds since 1970."""
        return max((path.stat().st_mtime for path in [self.path, *self.path.rglob("*")]), default=0.0)


@dataclass(frozen=True)
class Prunable:
    """What can go: where it lies, why nothing needs it, and how large it is."""

    path: Path
    why: str
    num_bytes: int


def find_prunable(datasets: Iterable[str] = (), *, days: float = 7.0, only_aliased: bool = False) -> list[Prunable]:
    """List what nothing needs: neither the newest snapshot of a dataset nor a registered version.

    Args:
        datasets: Names of the datasets to look at; none for all.
        days: What was written to in the last so many days stays, for a flow
            run may be at work on it or go on with it.
        only_aliased: Of the registered versions, only those with an alias
            (champion, challenger) keep what they were made of.
    """
    store, wanted = list(_store()), set(datasets)
    names = {found.name: found for found in store if found.name}
    needed = _needed(names, _roots(names, only_aliased=only_aliased))
    youngest = time.time() - days * SECONDS_PER_DAY
    return [
        Prunable(found.path, _why(found), found.num_bytes)
        for found in store
        if found.name not in needed and found.touched <= youngest and (not wanted or _dataset_of(found) in wanted)
    ]


def prune(prunable: Iterable[Prunable]) -> int:
    """Remove what ``find_prunable`` listed, and say how many bytes that freed; each folder ends to exist at once."""
    freed = 0
    for item in prunable:
        (item.path / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(item.path)
        freed += item.num_bytes
    return freed


def _store() -> Iterator[Found]:
    for kind in KINDS:
        for path in sorted((home() / kind.KIND).glob("*/")):
            manifest = path / MANIFEST
            yield Found(kind, path, json.loads(manifest.read_text(encoding="utf-8")) if manifest.exists() else None)


Name = tuple[type[Noun], str, str]


def _roots(names: Iterable[Name], *, only_aliased: bool) -> set[Name]:
    """What is needed for itself: the newest snapshot of each dataset, its kept pieces, and the scores of versions."""
    roots: set[Name] = set()
    for dataset in {dataset for _, dataset, _ in names}:
        last = History.of(dataset).last
        if last:
            roots.add((Snapshot, dataset, last.snapshot))
            roots |= {(PieceRows, dataset, piece_key(piece, last.rows_key)) for piece in last.known_pieces()}
    return roots | {(Scores, dataset, key) for dataset, key in registered_scores(only_aliased=only_aliased)}


def _needed(names: dict[Name, Found], roots: set[Name]) -> set[Name]:
    needed, waiting = set(roots), list(roots)
    while waiting:
        found = names.get(waiting.pop())
        if found and found.manifest:
            made_of = {
                (kind, found.manifest["dataset"], found.manifest[key]) for key, kind in MADE_OF.get(found.kind, {}).items()
            }
            waiting += made_of - needed
            needed |= made_of
    return needed


def _why(found: Found) -> str:
    if found.manifest is None:
        return "never finished"
    if found.kind is Snapshot:
        return "an older snapshot that no registered version was trained on"
    return "rows of a file or table that has changed since" if found.kind is PieceRows else "of no registered version"


def _dataset_of(found: Found) -> str:
    return found.manifest["dataset"] if found.manifest else found.path.name.rpartition("-")[0].removesuffix("-partial")
