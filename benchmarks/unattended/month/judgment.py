"""Each slot of the month judged: the states of its flow runs and the lines of its ledger."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from benchmarks.unattended.month.disturbances import DATASET, MONITOR
from benchmarks.unattended.month.installation import Calendar
from benchmarks.unattended.month.plan import DECIDED, Slot
from refrain.deployments import Server
from refrain.prefect_lists import read_list
from tasks.promotion.ledger import KEPT, PROMOTED, ROLLED_BACK, Line

ON_TIME_SECONDS = 1.0
DECISIONS = (PROMOTED, KEPT)


@dataclass(frozen=True)
class Run:
    """A flow run of a deployment."""

    id: str
    deployment: str
    due: datetime
    is_scheduled: bool
    state: str
    message: str


@dataclass(frozen=True)
class Outcome:
    """What a slot came to: the states of its runs, and what is wrong."""

    monitor: list[Run]
    retrain: list[Run]
    triggered: list[Run]
    faults: list[str]


def read_runs(server: Server) -> list[Run]:
    """Read all flow runs that are due by now, the oldest first."""
    names = {each["id"]: each["name"] for each in server.deployments()}
    body = {"sort": "EXPECTED_START_TIME_ASC"}
    found = read_list(server.call, "flow_runs/filter", body)
    return [
        Run(
            str(run["id"]),
            names.get(run["deployment_id"], ""),
            time_of(run["expected_start_time"]),
            bool(run["auto_scheduled"]),
            run["state"]["name"],
            run["state"]["message"] or "",
        )
        for run in found
    ]


def time_of(text: str) -> datetime:
    """Read a time of Prefect or of the ledger."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def judge(
    slot: Slot, night: int, calendar: Calendar, runs: Sequence[Run], lines: Sequence[Line]
) -> Outcome:
    """Compare the outcome of a night with the one that was written down."""
    monitor = _of_slot(runs, MONITOR, calendar.monitor(night))
    retrain = _of_slot(runs, DATASET, calendar.at(night))
    triggered = [
        run
        for run in runs
        if run.deployment == DATASET
        and not run.is_scheduled
        and is_within(run.due, night, calendar)
    ]
    mine = [line for line in lines if is_within(time_of(line.when), night, calendar)]
    decided = sum(run.state in DECIDED for run in (*retrain, *triggered))
    faults = [
        *_wrong_states("monitor", monitor, (slot.monitor,)),
        *_wrong_states("retraining", retrain, (slot.retrain,)),
        *_wrong_states("triggered retraining", triggered, slot.triggered),
        *_wrong_counts(Counter(line.event for line in mine), decided, slot.rolled_back),
    ]
    return Outcome(monitor, retrain, triggered, faults)


def _of_slot(runs: Sequence[Run], deployment: str, due: datetime) -> list[Run]:
    return [
        run
        for run in runs
        if run.deployment == deployment
        and run.is_scheduled
        and abs((run.due - due).total_seconds()) < ON_TIME_SECONDS
    ]


def is_within(when: datetime, night: int, calendar: Calendar) -> bool:
    """Tell whether a time is after a night's delivery and before the next one."""
    return calendar.delivery(night) <= when < calendar.delivery(night + 1)


def _wrong_states(
    what: str, runs: Sequence[Run], expected: Sequence[tuple[str, ...]]
) -> Iterator[str]:
    if len(runs) != len(expected):
        yield f"{len(runs)} flow runs of the {what}, expected {len(expected)}"
    for run, states in zip(runs, expected, strict=False):
        if run.state not in states:
            yield f"{what}: {run.state}, expected {' or '.join(states)}: {run.message[:300]}"


def _wrong_counts(events: Counter[str], decided: int, rolled_back: int) -> Iterator[str]:
    found = sum(events[event] for event in DECISIONS)
    if found != decided:
        yield f"{found} decisions in the ledger, {decided} in the states"
    if events[ROLLED_BACK] != rolled_back:
        yield f"{events[ROLLED_BACK]} rollbacks in the ledger, expected {rolled_back}"
