"""``--as-of`` and ``--snapshot`` choose earlier rows, or say in a sentence why they cannot."""

from pathlib import Path

import pytest

from tasks.ingestion.earlier_snapshots import earlier_snapshots
from tasks.ingestion.snapshot_log import Ingestion, SnapshotLog
from tasks.store.artifacts import Snapshot

FIRST = "a" * 16
SECOND = "b" * 16


@pytest.fixture
def log(store: Path) -> SnapshotLog:
    """A log with snapshots of the 1st and the 8th of November."""
    for digest, day in ((FIRST, 1), (SECOND, 8)):
        with Snapshot.making("made", digest):
            Snapshot(dataset="made", digest=digest, rows={}, splits={}, reasons={}).commit()
        made = Ingestion(
            snapshot=digest,
            parent="",
            inputs="",
            rows_key="",
            made=f"2026-11-0{day}T03:00:00+00:00",
            rows={},
            new=0,
            gone=0,
            removed=0,
        )
        SnapshotLog.of("made").append(made)
    return SnapshotLog.of("made")


@pytest.mark.parametrize(
    ("date", "digest"),
    [
        ("2026-11-01", FIRST),
        ("2026-11-07", FIRST),
        ("2026-11-08T02:59", FIRST),
        ("2026-11-08", SECOND),
        ("2030-01-01", SECOND),
    ],
)
def test_a_date_chooses_the_newest_snapshot_of_that_time(
    log: SnapshotLog, date: str, digest: str
) -> None:
    assert earlier_snapshots(["made"], None, date) == {"made": digest}


@pytest.mark.parametrize(
    ("snapshot", "date", "message"),
    [
        (None, "2026-10-31", "no snapshot of 2026-10-31 23:59 UTC or before: the first is of 2026"),
        (None, "last week", "--as-of must be a date such as 2026-11-01"),
        ("aaaa", "2026-11-01", "both choose the rows"),
        ("ffff", None, "there is no snapshot 'ffff' of made"),
    ],
)
def test_what_cannot_be_chosen_is_said_in_a_sentence(
    log: SnapshotLog, snapshot: str | None, date: str | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        earlier_snapshots(["made"], snapshot, date)


def test_without_either_the_newest_rows_are_read(store: Path) -> None:
    assert earlier_snapshots(["made"], None, None) == {}
    with pytest.raises(ValueError, match="it was never ingested"):
        earlier_snapshots(["made"], None, "2026-11-01")
