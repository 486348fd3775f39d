"""The record of notices in the store, and of what each channel has received.

The caller holds the lock of the file that it appends to.
"""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tasks.notices.notice import Notice
from tasks.store.growing_files import append_line, read_lines
from tasks.store.home import home
from tasks.store.sealed import DamagedError, read_sealed, write_sealed

MARGIN = timedelta(hours=1)  # an ended flow run may reach the server late
LONGEST = timedelta(days=7)  # an older flow run is no news


def folder() -> Path:
    """Return the folder of notices."""
    return home() / "notices"


def _search_path() -> Path:
    # A folder of its own: refrain verify reads each file beside the record as lines.
    return folder() / "search" / "last.json"


def recorded() -> list[Notice]:
    """Read all notices, the oldest first."""
    return [Notice(**line) for line in read_lines(folder() / "notices.jsonl")]


def record(notices: Iterable[Notice]) -> None:
    """Record notices that are new, in the order given."""
    known = {notice.key for notice in recorded()}
    for notice in notices:
        if notice.key not in known:
            append_line(folder() / "notices.jsonl", asdict(notice))
            known.add(notice.key)


def undelivered(channel: str, since: datetime) -> list[Notice]:
    """List the notices recorded since a time that a channel has not received."""
    lines = read_lines(folder() / "delivered.jsonl")
    done = {(line["flow_run"], line["kind"]) for line in lines if line["channel"] == channel}
    return [
        notice
        for notice in recorded()
        if notice.key not in done and datetime.fromisoformat(notice.time) >= since
    ]


def mark(notices: Iterable[Notice], channel: str, *, is_sent: bool) -> None:
    """Record that a channel has received notices, or that it shall not have them."""
    now = datetime.now(UTC).isoformat()
    for notice in notices:
        line = {"time": now, "flow_run": notice.flow_run, "kind": notice.kind}
        append_line(folder() / "delivered.jsonl", line | {"channel": channel, "is_sent": is_sent})


def search_start(began: datetime) -> datetime:
    """Return the time from which ended flow runs may lack a notice.

    Args:
        began: When the current flow run began; with it notices begin in a new store.
    """
    try:
        last = datetime.fromisoformat(read_sealed(_search_path())["time"])
    except (FileNotFoundError, DamagedError):
        return began
    return max(last - MARGIN, datetime.now(UTC) - LONGEST)


def note_search(time: datetime) -> None:
    """Record when all ended flow runs had their notices."""
    write_sealed(_search_path(), {"time": time.isoformat()})
