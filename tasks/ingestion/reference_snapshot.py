"""The reference of a new snapshot: the last one that was accepted for training."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data.catalog.catalog import Dataset
from data.ingestion.snapshot_changes import Change, find_changes
from data.rows.check_settings import LIMITS, SINGLE_TARGETS
from data.rows.hash_files import num_changed
from tasks.ingestion.refused_data import RefusedDataError
from tasks.ingestion.snapshot_log import SnapshotLog
from tasks.ingestion.snapshot_writer import HASHES, REPORT, SIDES
from tasks.store.artifacts import Snapshot
from tasks.store.code import digest
from tasks.store.growing_files import append_line, damage, read_lines
from tasks.store.home import home
from tasks.store.locks import locked

# Keys of an entry whose change explains no change of rows.
UNRELATED = ("about", "language", "licence", "origin", "tokenizer", "removals")

ACCEPTED = ("snapshot", "made", "entry_key")  # keys of every line of the accepted snapshots


@dataclass(frozen=True)
class Comparison:
    """A snapshot compared with the last accepted one; the first has no changes."""

    dataset: str
    snapshot: str
    before: str
    made: str  # when the one before was accepted or made
    changes: list[Change]
    is_entry_changed: bool

    @property
    def beyond(self) -> list[Change]:
        """The changes that stop a training; none if the catalog entry changed and explains them."""
        return [] if self.is_entry_changed else [change for change in self.changes if change.limit]

    def lines(self) -> list[str]:
        """Describe the changes for a page."""
        if not self.changes:
            return []
        note = ""
        if self.is_entry_changed:
            note = "; the catalog entry changed since, so no limit applies"
        head = f"Compared with snapshot {self.before} ({self.made}), the last one accepted{note}:"
        return [head, *map(str, self.changes)]


def entry_key(entry: Dataset) -> str:
    """Digest the keys of a catalog entry that affect its rows, without the limits."""
    kept = {
        name: value for name, value in entry.entry.items() if name not in (*UNRELATED, "checks")
    }
    return digest(kept, without_limits(entry))


def without_limits(entry: Dataset) -> dict[str, Any]:
    """Return the rules of an entry that reject rows."""
    return {name: value for name, value in entry.checks.items() if name not in LIMITS}


def accepted_path(dataset: str) -> Path:
    """Return the file with a line for each snapshot accepted for training."""
    return home() / "accepted" / f"{dataset}.jsonl"


def last_accepted(dataset: str) -> dict[str, Any] | None:
    """Read the newest acceptance of a dataset."""
    path = accepted_path(dataset)
    lines = read_lines(path)
    if any(missing := [name for name in ACCEPTED if name not in line] for line in lines):
        raise damage(path, f"has a line without {missing[0]}")
    return lines[-1] if lines else None


def compare_with_accepted(
    entry: Dataset, snapshot: Snapshot, is_sound: Callable[[Snapshot], bool]
) -> Comparison:
    """Compare a snapshot with the last accepted one.

    Before the first training, the reference is the oldest snapshot of the same
    catalog entry.

    Args:
        entry: The dataset.
        snapshot: The new snapshot.
        is_sound: Tells whether a snapshot can be trained on; only those are references.
    """
    now_key = entry_key(entry)
    accepted = last_accepted(entry.name) or _oldest(entry.name, now_key, is_sound)
    before = Snapshot.find(entry.name, accepted["snapshot"]) if accepted else None
    if accepted is None or before is None or before.digest == snapshot.digest:
        return Comparison(entry.name, snapshot.digest, "", "", [], is_entry_changed=False)
    known = {*entry.labels.values(), *entry.rules.entities}
    changes = find_changes(
        _report(before),
        _report(snapshot),
        entry.rules,
        relabelled=_relabelled(entry, before, snapshot),
        known=known,
    )
    return Comparison(
        entry.name,
        snapshot.digest,
        before.digest,
        accepted["made"],
        changes,
        is_entry_changed=accepted["entry_key"] != now_key,
    )


def _oldest(dataset: str, key: str, is_sound: Callable[[Snapshot], bool]) -> dict[str, Any] | None:
    for made in SnapshotLog.of(dataset).ingestions:
        found = Snapshot.find(dataset, made.snapshot) if made.entry_key == key else None
        if found and is_sound(found):
            return {"snapshot": made.snapshot, "made": made.made, "entry_key": made.entry_key}
    return None


def _report(snapshot: Snapshot) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((snapshot.folder / REPORT).read_text(encoding="utf-8"))
    return found


def _relabelled(entry: Dataset, before: Snapshot, now: Snapshot) -> tuple[int, int]:
    """Count the texts of both snapshots whose label or tags changed, and all texts of both."""
    files = [(made.folder / SIDES, made.folder / HASHES) for made in (before, now)]
    if not set(SINGLE_TARGETS) & set(entry.roles):
        return 0, 0
    has_files = all(path.exists() for pair in files for path in pair)
    return num_changed(*files) if has_files else (0, 0)


def check_changes(comparison: Comparison) -> None:
    """Check that a snapshot differs from the accepted one by no more than the limits.

    Raises:
        RefusedDataError: If it differs more; with the changes and how to accept them.
    """
    if comparison.beyond:
        changed = "\n".join(f"  {change}" for change in comparison.beyond)
        raise RefusedDataError(
            f"{comparison.dataset}: the source changed by more than the limits of its catalog "
            f"entry, so nothing was trained. Snapshot {comparison.snapshot} compared with "
            f"{comparison.before} ({comparison.made}), the last one accepted:\n{changed}\n"
            f"If this is right, accept it once: refrain run {comparison.dataset} --accept "
            "(in a deployment, the parameter accept). If it will happen again, change the limit "
            "in the entry's checks."
        )


def accept(entry: Dataset, comparison: Comparison) -> None:
    """Record that a snapshot may be trained on: it is the reference of the next one."""
    key = entry_key(entry)
    with locked("accepted", entry.name):
        last = last_accepted(entry.name)
        if last and (last["snapshot"], last["entry_key"]) == (comparison.snapshot, key):
            return
        append_line(
            accepted_path(entry.name),
            {
                "snapshot": comparison.snapshot,
                "made": datetime.now(UTC).isoformat(timespec="seconds"),
                "entry_key": key,
                "before": comparison.before,
                "beyond_limits": [str(change) for change in comparison.beyond],
            },
        )
