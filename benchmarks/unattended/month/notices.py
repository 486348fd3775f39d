"""The notices of the month beside the last states of its flow runs: none is missing, none is false.

The store records a line for each, with its kind and the id of the flow run.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.unattended.month.installation import Calendar
from benchmarks.unattended.month.judgment import Run, is_within, time_of

RECORD = "notices/notices.jsonl"
# Last states that a person wants to know of, and the kinds of their notices.
KINDS = {
    "Promoted": "promoted",
    "Kept champion": "kept",
    "Not promoted": "not-promoted",
    "Refused data": "refused-data",
    "Failed": "failed",
    "Crashed": "failed",
    "Stale": "stale",
    "Unusual": "unusual",
    "Drifted": "drifted",
    "Rolled back": "rolled-back",
}
Notice = dict[str, str]


def read_notices(store: Path) -> list[Notice]:
    """Read the record; empty if there is none."""
    path = store / RECORD
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def kind_of(run: Run) -> str:
    """Give the kind of the notice of a flow run; empty if nobody has to know."""
    if run.deployment == "rollback":
        return "rolled-back" if run.state == "Completed" else KINDS.get(run.state, "")
    return KINDS.get(run.state, "")


def missed(runs: Sequence[Run], notices: Sequence[Notice]) -> Iterator[str]:
    """Describe each flow run whose notice is missing or was recorded twice."""
    found = [(notice["flow_run"], notice["kind"]) for notice in notices]
    for run in runs:
        kind = kind_of(run)
        if kind and found.count((run.id, kind)) != 1:
            num = found.count((run.id, kind))
            yield f"{num} notices {kind} of {run.deployment} at {run.due:%H:%M:%S}, expected 1"


def false(
    runs: Sequence[Run], notices: Sequence[Notice], calendar: Calendar, num_nights: int
) -> Iterator[str]:
    """Describe each notice of a kind to which no flow run of its night gives reason."""
    for notice in notices:
        when = time_of(notice["scheduled"])
        nights = [n for n in range(1, num_nights + 1) if is_within(when, n, calendar)]
        reasons = {
            kind_of(run) for run in runs for night in nights if is_within(run.due, night, calendar)
        }
        if notice["kind"] not in reasons:
            yield f"{notice['kind']} of {notice['deployment']}: {notice['message'][:200]}"
