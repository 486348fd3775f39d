"""The snapshots of a dataset, one after the other: an append-only file, its last line the newest."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from data.errors import RowError
from data.sources.base import Piece
from tasks.store.artifacts import Snapshot
from tasks.store.home import home

SHORTEST = 4  # hexadecimal digits that name a snapshot


@dataclass(frozen=True, kw_only=True)
class Ingestion:
    """One ingestion that brought something: what was read, and which snapshot it made.

    ``inputs`` is a digest of all that it was made from. ``pieces`` hold the
    marks to read on from, so these move only once the snapshot is there.
    ``rows_key`` names what made the rows of its pieces: with other checks or
    other code they are read anew.
    """

    snapshot: str
    parent: str
    inputs: str
    rows_key: str
    made: str  # ISO 8601, UTC
    rows: dict[str, int]
    new: int
    gone: int
    removed: int
    pieces: list[dict[str, Any]] = field(default_factory=list)
    shares: dict[str, float] = field(default_factory=dict)  # of the splits that were made here
    entry_key: str = ""  # digest of what the catalog entry says about the rows

    def known_pieces(self) -> list[Piece]:
        """The pieces whose rows were kept."""
        return [Piece(**piece) for piece in self.pieces if piece["is_kept"]]


@dataclass(frozen=True)
class History:
    """All ingestions of a dataset that brought something, the oldest first."""

    path: Path
    ingestions: list[Ingestion]

    @classmethod
    def of(cls, dataset: str) -> "History":
        """Read it; a last line that was cut short by a crash does not count."""
        path = home() / Snapshot.KIND / f"{dataset}.jsonl"
        return cls(path, [Ingestion(**line) for line in read_lines(path)])

    @property
    def last(self) -> Ingestion | None:
        """The newest ingestion."""
        return self.ingestions[-1] if self.ingestions else None

    def find(self, start: str) -> Snapshot:
        """Find a snapshot by its digest or the beginning of it.

        Raises:
            RowError: If there is none, several, or it was pruned.
        """
        dataset, known = (
            self.path.stem,
            list(dict.fromkeys(made.snapshot for made in self.ingestions)),
        )
        meant = [name for name in known if name.startswith(start)] if len(start) >= SHORTEST else []
        if len(meant) != 1:
            said = (
                f"begins {len(meant)} digests"
                if meant
                else f"is none, or fewer than {SHORTEST} digits of one"
            )
            listed = ", ".join(known[-5:]) or "none yet"
            raise RowError(
                f"there is no snapshot {start!r} of {dataset}: it {said}; the latest are {listed}"
            )
        found = Snapshot.find(dataset, meant[0])
        if found is None:
            raise RowError(
                f"snapshot {meant[0]} of {dataset} was pruned: refrain snapshots {dataset} shows which are there"
            )
        return found

    def append(self, made: Ingestion) -> None:
        """Write one more line, whole and to the disk; only now the snapshot is the newest."""
        append_line(self.path, asdict(made))


def append_line(path: Path, content: dict[str, Any]) -> None:
    """Write one more line of JSON to the end of a file, whole and to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(content, ensure_ascii=False)
    with path.open("a+b") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)  # a line that a crash cut short goes
        file.write(f"{line}\n".encode())
        file.flush()
        os.fsync(file.fileno())


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read what ``append_line`` wrote; a last line that a crash cut short does not count."""
    # As bytes: a crash may have cut the last line within a character.
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines if line]


def piece_record(piece: Piece) -> dict[str, Any]:
    """A piece as a line keeps it: without the place, which is for the source alone."""
    return {name: getattr(piece, name) for name in ("split", "name", "version", "is_kept", "mark")}
