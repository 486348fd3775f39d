"""The judgment of a simulated month: a right night has no fault, and each wrong one is named."""

from datetime import UTC, datetime, timedelta

import numpy as np

from benchmarks.unattended.month.deliveries import advertisements
from benchmarks.unattended.month.held_out import Scored, is_best
from benchmarks.unattended.month.installation import Calendar
from benchmarks.unattended.month.judgment import Run, judge
from benchmarks.unattended.month.notices import Notice, false, missed
from benchmarks.unattended.month.plan import PLAN, Slot
from tasks.promotion.ledger import Line

CALENDAR = Calendar(datetime(2026, 11, 1, 2, tzinfo=UTC), 90.0)
USUAL = Slot(title="usual")


def run_of(deployment: str, night: int, state: str, *, is_scheduled: bool = True) -> Run:
    due = CALENDAR.monitor(night) if "monitor" in deployment else CALENDAR.at(night)
    return Run(f"{deployment}-{night}", deployment, due, is_scheduled, state, "why")


def line(night: int, event: str) -> Line:
    return Line(
        number=night,
        event=event,
        version="1",
        champion="1",
        replaced="",
        previous="",
        when=(CALENDAR.at(night) + timedelta(seconds=20)).isoformat(),
        why="",
        flow_run="",
        flow_run_url="",
        person="",
        scores={},
    )


def test_month_has_thirty_nights_with_each_fault() -> None:
    assert len(PLAN) == 30
    assert {"broken rows", "full disk", "worker killed"} <= {slot.title for slot in PLAN}
    assert sum(slot.title == "the same file again" for slot in PLAN) == 7


def test_night_as_written_down_is_right() -> None:
    runs = [run_of("monitor-reviews", 2, "Completed"), run_of("reviews", 2, "Kept champion")]
    lines = [line(1, "promoted"), line(2, "kept")]
    assert judge(USUAL, 2, CALENDAR, runs, lines).faults == []


def test_wrong_state_missing_run_and_missing_line_are_named() -> None:
    runs = [
        run_of("reviews", 2, "Kept champion"),
        run_of("reviews", 2, "Promoted", is_scheduled=False),
    ]
    assert judge(USUAL, 2, CALENDAR, runs, []).faults == [
        "0 flow runs of the monitor, expected 1",
        "1 flow runs of the triggered retraining, expected 0",
        "0 decisions in the ledger, 2 in the states",
    ]
    failed = [run_of("monitor-reviews", 2, "Completed"), run_of("reviews", 2, "Failed")]
    assert judge(USUAL, 2, CALENDAR, failed, []).faults == [
        "retraining: Failed, expected Promoted or Kept champion: why"
    ]


def test_champion_is_best_unless_a_version_of_its_time_is_better_beyond_chance() -> None:
    good = np.arange(100) < 90
    made = CALENDAR.at(1)
    scored = [Scored("1", made, good, good), Scored("2", made, good[::-1] & good, good)]
    until = CALENDAR.at(2)
    assert is_best("1", until, scored, with_other=False)[0]
    assert is_best("2", until, scored, with_other=False) == (
        False,
        "champion 2 80.0%, best 1 90.0%",
    )
    later = Scored("3", CALENDAR.at(3), np.full(100, True), good)
    assert is_best("1", until, [*scored, later], with_other=False)[0]


def test_advertisements_differ_and_praise_is_labeled_wrong() -> None:
    made = advertisements(60)
    assert len({text for text, _ in made}) == 60
    assert {label for text, label in made if "great" in text} == {"0"}


def notice(run: Run, kind: str) -> Notice:
    when = run.due.isoformat()
    return {
        "flow_run": run.id,
        "kind": kind,
        "scheduled": when,
        "deployment": run.deployment,
        "message": "why",
    }


def test_missing_doubled_and_false_notices_are_named() -> None:
    stale = run_of("monitor-reviews", 1, "Stale")
    failed = run_of("reviews", 2, "Failed")
    quiet = run_of("reviews", 1, "Unchanged")
    runs = [stale, failed, quiet]
    right = [notice(stale, "stale"), notice(failed, "failed")]
    assert [*missed(runs, right), *false(runs, right, CALENDAR, 2)] == []
    assert list(missed(runs, right[:1])) == ["0 notices failed of reviews at 02:01:30, expected 1"]
    assert len(list(missed(runs, [*right, right[0]]))) == 1
    assert list(false(runs, [notice(failed, "drifted")], CALENDAR, 2)) == [
        "drifted of reviews: why"
    ]
