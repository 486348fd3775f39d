"""The snapshot log of a dataset: an append-only file with a line for each ingestion."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from data.errors import RowError
from data.sources.base import Partition
from tasks.store.artifacts import Snapshot
from tasks.store.growing_files import append_line, damage, read_lines
from tasks.store.home import home

SHORTEST = 4  # fewest hexadecimal digits that identify a snapshot


@dataclass(frozen=True, kw_only=True)
class Ingestion:
    """One ingestion with changes: the partitions it read and the snapshot it made.

    ``inputs`` is a digest of all inputs. ``pieces`` are the partitions with
    their watermarks, which advance only once the snapshot exists. ``rows_key``
    is a digest of the checks and the code that made the rows; if it changes,
    the partitions are read again.
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
    shares: dict[str, float] = field(
        default_factory=dict
    )  # of the splits made here, not by the publisher
    entry_key: str = ""  # digest of the catalog entry's keys that affect rows

    def known_pieces(self) -> list[Partition]:
        """Return the partitions whose rows are stored."""
        return [Partition(**piece) for piece in self.pieces if piece["is_kept"]]


@dataclass(frozen=True)
class SnapshotLog:
    """All ingestions of a dataset with changes, the oldest first."""

    path: Path
    ingestions: list[Ingestion]

    @classmethod
    def of(cls, dataset: str) -> "SnapshotLog":
        """Read the log of a dataset, without a last line that a crash cut short."""
        path = home() / Snapshot.KIND / f"{dataset}.jsonl"
        try:
            return cls(path, [Ingestion(**line) for line in read_lines(path)])
        except TypeError as error:
            raise damage(path, f"has a line with other fields than expected ({error})") from None

    @property
    def last(self) -> Ingestion | None:
        """The newest ingestion."""
        return self.ingestions[-1] if self.ingestions else None

    def find(self, start: str) -> Snapshot:
        """Find a snapshot by its digest or the first digits of it.

        Raises:
            RowError: If there is none, there are several, or it was pruned.
        """
        dataset = self.path.stem
        known = list(dict.fromkeys(made.snapshot for made in self.ingestions))
        matching = (
            [name for name in known if name.startswith(start)] if len(start) >= SHORTEST else []
        )
        if len(matching) != 1:
            problem = f"no digest begins so, or it has fewer than {SHORTEST} digits"
            if matching:
                problem = f"{len(matching)} digests begin so"
            listed = ", ".join(known[-5:]) or "none yet"
            raise RowError(
                f"there is no snapshot {start!r} of {dataset}: {problem}; the latest are {listed}"
            )
        found = Snapshot.find(dataset, matching[0])
        if found is None:
            raise RowError(
                f"snapshot {matching[0]} of {dataset} is not in the store: it was pruned, or "
                f"was damaged and set aside. "
                f"refrain snapshots {dataset} lists the existing ones"
            )
        return found

    def as_of(self, moment: datetime) -> str:
        """Return the digest of the newest snapshot that existed at a time.

        Raises:
            RowError: If there was none; with the date of the first.
        """
        made = [each for each in self.ingestions if datetime.fromisoformat(each.made) <= moment]
        if not made:
            first = self.ingestions[0].made[:16].replace("T", " ") if self.ingestions else ""
            known = f"the first is of {first} UTC" if first else "it was never ingested"
            raise RowError(
                f"{self.path.stem} has no snapshot of {moment:%Y-%m-%d %H:%M} UTC or before: "
                f"{known}; refrain snapshots {self.path.stem} lists them"
            )
        return made[-1].snapshot

    def append(self, made: Ingestion) -> None:
        """Append an ingestion; from now on its snapshot is the newest."""
        append_line(self.path, asdict(made))


def piece_record(piece: Partition) -> dict[str, Any]:
    """Describe a partition for the log, without its location, which only the source needs."""
    return {name: getattr(piece, name) for name in ("split", "name", "version", "is_kept", "mark")}
