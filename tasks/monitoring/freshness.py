"""The freshness of a source: the age of its rows, quiet slots, and deliveries that look wrong.

A slot is a time at which a flow run reads the source. Those less than ``checks.slot_minutes`` apart
count as one.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from data.catalog.catalog import Dataset
from data.sources.watermarks import Stretch
from tasks.ingestion.snapshot_log import Ingestion, SnapshotLog
from tasks.monitoring.unusual_deliveries import delivered_again, unusual_counts, unusual_shares
from tasks.store.growing_files import append_line, read_lines
from tasks.store.home import home
from tasks.store.locks import locked

SLOTS = "slots"
SECONDS_PER_DAY = 24 * 3600


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """How old the rows of a dataset are, and what is wrong with them.

    ``newest`` is the time of the newest row, where the source marks rows by time, else of the
    last ingestion with new rows. ``quiet_slots`` counts the slots since then without a new row;
    ``is_counted`` tells whether this one was counted just now.
    """

    dataset: str
    snapshot: str
    newest: str
    age_days: float
    quiet_slots: int
    is_counted: bool
    stale: list[str] = field(default_factory=list)
    unusual: list[str] = field(default_factory=list)

    @property
    def warnings(self) -> list[str]:
        """All that is wrong."""
        return [*self.stale, *self.unusual]

    @property
    def state(self) -> str:
        """The name of the state of a task; empty if nothing is wrong."""
        return "Stale" if self.stale else "Unusual" if self.unusual else ""


def check_freshness(entry: Dataset, now: datetime | None = None) -> Freshness:
    """Count a slot of a dataset that was ingested just now, and check how fresh its rows are."""
    now = now or datetime.now(UTC)
    history = SnapshotLog.of(entry.name)
    assert history.last
    arrived = _last_arrival(history)
    newest = _newest_row(arrived)
    quiet, is_counted = _count_slot(entry, f"{arrived.made} {arrived.snapshot}", now)
    age = (now - newest).total_seconds() / SECONDS_PER_DAY
    return Freshness(
        dataset=entry.name,
        snapshot=history.last.snapshot,
        newest=newest.isoformat(timespec="seconds"),
        age_days=age,
        quiet_slots=quiet,
        is_counted=is_counted,
        stale=[
            *_too_old(entry, newest, age),
            *_too_quiet(entry, history, arrived, quiet),
            *delivered_again(history),
        ],
        unusual=[*unusual_counts(history), *unusual_shares(entry.name, history)],
    )


def _last_arrival(history: SnapshotLog) -> Ingestion:
    """Find the last ingestion with new rows; the first one of a dataset counts as such."""
    arrivals = [made for made in history.ingestions if made.new]
    return arrivals[-1] if arrivals else history.ingestions[0]


def _newest_row(arrived: Ingestion) -> datetime:
    """Read the time of the newest row from the marks of a source, else from the ingestion."""
    marks = [Stretch.read(piece["mark"]).top for piece in arrived.pieces if piece.get("mark")]
    times = [found for mark in marks if (found := _time(mark))]
    return max(times) if times else datetime.fromisoformat(arrived.made)


def _time(mark: Any) -> datetime | None:
    """Read a watermark as a time; None if it is another thing, such as a number."""
    text = mark.isoformat() if isinstance(mark, date) else mark
    if not isinstance(text, str) or "-" not in text:  # a number in a text would be read as a date
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _count_slot(entry: Dataset, arrived: str, now: datetime) -> tuple[int, bool]:
    """Record a slot, and count those since the last new rows, without the one they came in.

    ``arrived`` names the ingestion of these rows; a time alone could belong to two.
    """
    path = home() / SLOTS / f"{entry.name}.jsonl"
    same_slot = timedelta(minutes=entry.rules.slot_minutes)
    with locked(SLOTS, entry.name):
        lines = read_lines(path)
        last: dict[str, Any] | None = lines[-1] if lines else None
        is_same = (
            last is not None
            and last["arrived"] == arrived
            and now - datetime.fromisoformat(last["at"]) < same_slot
        )
        if not is_same:
            line = {"at": now.isoformat(timespec="seconds"), "arrived": arrived}
            append_line(path, line)
            lines.append(line)
    return sum(line["arrived"] == arrived for line in lines) - 1, not is_same


def _too_old(entry: Dataset, newest: datetime, age: float) -> list[str]:
    limit = entry.rules.max_age_days
    if not limit or age <= limit:
        return []
    return [
        f"the newest row is {age:.1f} days old (of {newest:%Y-%m-%d %H:%M} UTC), "
        f"checks.max_age_days allows {limit:g}"
    ]


def _too_quiet(entry: Dataset, history: SnapshotLog, arrived: Ingestion, quiet: int) -> list[str]:
    """Warn about a source that grew before: one that never did is complete."""
    limit = entry.rules.max_quiet_slots
    has_grown = sum(made.new > 0 for made in history.ingestions) > 1
    if not limit or not has_grown or quiet < limit:
        return []
    since = datetime.fromisoformat(arrived.made)
    return [
        f"no new rows in {quiet} slots, since {since:%Y-%m-%d %H:%M} UTC; "
        f"checks.max_quiet_slots is {limit}"
    ]
