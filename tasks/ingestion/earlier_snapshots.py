"""Earlier snapshots to retrain on, chosen by their digest or by a date."""

from collections.abc import Sequence
from datetime import UTC, datetime, time

from tasks.ingestion.snapshot_log import SnapshotLog


def earlier_snapshots(
    datasets: Sequence[str], snapshot: str | None, as_of: str | None
) -> dict[str, str]:
    """Find the digests of the snapshots to retrain on, by dataset; none for the newest rows.

    Args:
        datasets: The datasets to retrain.
        snapshot: First digits of a snapshot, of a single dataset.
        as_of: A date: the newest snapshot at its end, of each dataset.

    Raises:
        ValueError: If one does not exist, or both are given.
    """
    if not snapshot and not as_of:
        return {}
    if snapshot and as_of:
        raise ValueError("--snapshot and --as-of both choose the rows: give one of them")
    if snapshot and len(datasets) != 1:
        raise ValueError(
            f"--snapshot belongs to one dataset, got {len(datasets)}: {', '.join(datasets)}"
        )
    logs = {name: SnapshotLog.of(name) for name in datasets}
    moment = end_of(as_of) if as_of else None
    chosen = {name: log.as_of(moment) if moment else str(snapshot) for name, log in logs.items()}
    for name, digest in chosen.items():
        logs[name].find(digest)  # it may have been pruned
    return chosen


def end_of(date: str) -> datetime:
    """Read a date as the end of that day in UTC, or a date with a time as that moment.

    Raises:
        ValueError: If it is neither.

    Example:
        >>> end_of("2026-11-01").isoformat()
        '2026-11-01T23:59:59.999999+00:00'
    """
    try:
        moment = datetime.fromisoformat(date)
    except ValueError:
        raise ValueError(
            f"--as-of must be a date such as 2026-11-01, or 2026-11-01T06:30, got {date!r}"
        ) from None
    if "T" not in date and " " not in date:
        moment = datetime.combine(moment, time.max)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
