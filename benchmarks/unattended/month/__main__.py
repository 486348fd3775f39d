"""A month in an hour: thirty nights of one dataset, sped up, under a real ``refrain up``.

``python -m benchmarks.unattended.month`` delivers real rows each night, runs the schedules of
monitor and retraining every 90 seconds, and breaks rows, files, programs and the disk. ``plan.py``
has the nights with their right outcomes, by which they are judged at the end. A person only rolls a
champion back. It needs Linux with ``unshare``. ``--slots 8`` plays the first eight nights,
``--nights 1,2,12`` these; ``--dry`` writes nothing.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.lib.figures import Figure, figure, require_clean_tree, write
from benchmarks.unattended.faults import Installation
from benchmarks.unattended.month.deliveries import Publisher
from benchmarks.unattended.month.disturbances import DATASET, Night
from benchmarks.unattended.month.held_out import champion_at, is_best, score_all
from benchmarks.unattended.month.installation import (
    DELIVERY_SHARE,
    Calendar,
    speed_up,
    started,
    stop_schedules,
)
from benchmarks.unattended.month.judgment import Outcome, judge, read_runs
from benchmarks.unattended.month.notices import false, missed, read_notices
from benchmarks.unattended.month.plan import PLAN, Slot
from tasks.promotion.ledger import Ledger, Line

PACKAGE = "benchmarks.unattended.month"
COMMAND = f"python -m {PACKAGE}"
MOUNTED = "REFRAIN_MONTH_MOUNTED"  # set for the process in the name space
MEGABYTES = 2_000
SLOT_SECONDS = 90.0
# From the change of the schedules to the first delivery. A schedule has slots before its anchor
# too, so the first night must come within one slot.
AFTER_SECONDS = 15.0


def play(at: Installation, slots: Sequence[Slot], slot_seconds: float) -> Calendar:
    """Let the nights pass, with their deliveries and disturbances."""
    lead = timedelta(seconds=DELIVERY_SHARE * slot_seconds + AFTER_SECONDS)
    calendar = Calendar((datetime.now(UTC) + lead).replace(microsecond=0), slot_seconds)
    publisher = Publisher(at.project / "rows")
    speed_up(at, calendar)
    for number, slot in enumerate(slots, 1):
        sleep_until(calendar.delivery(number))
        slot.deliver(publisher, number)
        print(f"{datetime.now():%H:%M:%S} night {number}: {slot.title}", flush=True)
        sleep_until(calendar.at(number) - timedelta(seconds=3))
        slot.disturb(at, Night(number, calendar.at(number), slot_seconds))
    sleep_until(calendar.at(len(slots)) + timedelta(seconds=3))
    stop_schedules(at)
    sleep_until(calendar.delivery(len(slots) + 1) + timedelta(seconds=slot_seconds / 2))
    return calendar


def sleep_until(when: datetime) -> None:
    """Sleep until a time."""
    time.sleep(max(0.0, (when - datetime.now(UTC)).total_seconds()))


def measure(slots: Sequence[Slot], slot_seconds: float) -> list[Figure]:
    """Play the month on a disk of its own, and judge it."""
    with tempfile.TemporaryDirectory(prefix="refrain-month-") as name:
        folder = Path(name)
        (folder / "project").mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs"]
        subprocess.run([*mount, str(folder / "project")], check=True)
        try:
            with started(folder, slot_seconds) as at:
                calendar = play(at, slots, slot_seconds)
                runs = read_runs(at.server)
            os.environ["REFRAIN_HOME"] = str(at.store)
            lines = Ledger.of(DATASET).lines
            outcomes = [
                judge(slot, number, calendar, runs, lines) for number, slot in enumerate(slots, 1)
            ]
            num_best = judge_champions(slots, calendar, lines)
            notices = read_notices(at.store)
            lost = list(missed(runs, notices))
            wrong = list(false(runs, notices, calendar, len(slots)))
        finally:
            subprocess.run(["umount", "--lazy", str(folder / "project")], check=True)
    for number, (slot, outcome) in enumerate(zip(slots, outcomes, strict=True), 1):
        show(number, slot, outcome)
    for line in [*(f"MISSED: {each}" for each in lost), *(f"FALSE: {each}" for each in wrong)]:
        print(line)
    return [*figures_of(outcomes, num_best), *notice_figures(len(lost), len(wrong))]


def judge_champions(slots: Sequence[Slot], calendar: Calendar, lines: Sequence[Line]) -> int:
    """Count the nights after which the champion is the best version of its time."""
    scored = score_all(DATASET)
    for each in scored:
        print(f"version {each.version}: {each.own.mean():.1%} and {each.other.mean():.1%}")
    num = 0
    with_other = False
    for number, slot in enumerate(slots, 1):
        until = calendar.delivery(number + 1)
        with_other = with_other or slot.title == "another domain"
        is_right, words = is_best(champion_at(lines, until), until, scored, with_other=with_other)
        num += is_right
        print(f"night {number}: {words}{'' if is_right else ': NOT THE BEST'}")
    return num


def show(number: int, slot: Slot, outcome: Outcome) -> None:
    """Print the outcome of a night."""
    parts = (("monitor", outcome.monitor), ("triggered", outcome.triggered))
    runs = [*parts, ("retraining", outcome.retrain)]
    words = "; ".join(f"{what} {run.state}" for what, each in runs for run in each)
    print(f"{number:>2} {slot.title}: {words}")
    for fault in outcome.faults:
        print(f"   WRONG: {fault}")


def figures_of(outcomes: Sequence[Outcome], num_best: int) -> list[Figure]:
    """Make the figures of a month."""
    num = len(outcomes)
    right = sum(not outcome.faults for outcome in outcomes)
    note = "broken rows, a collapsed and a repeated delivery, drift, kills, a full disk, a rollback"
    about = {
        "slots": (num, "nights", 30, "monitor and retraining of one dataset, sped up"),
        "slots_right": (right, f"of {num} nights", num, note),
        "champion_is_best": (
            num_best / num,
            "share of nights",
            1,
            "no version of its time is better beyond chance on rows that none has seen",
        ),
    }
    return [
        figure(name, value, unit=unit, goal=goal, better="higher", command=COMMAND, note=why)
        for name, (value, unit, goal, why) in about.items()
    ]


def notice_figures(num_missed: int, num_false: int) -> list[Figure]:
    """Make the figures of the notices."""
    about = {
        "missed_notices": (num_missed, "of flow runs whose last state a person wants to know"),
        "false_notices": (num_false, "of a kind to which no flow run of the night gives reason"),
    }
    return [
        figure(name, num, unit="notices", goal=0, better="lower", command=COMMAND, note=why)
        for name, (num, why) in about.items()
    ]


def chosen_slots(options: argparse.Namespace) -> list[Slot]:
    """Choose the nights to play."""
    if options.nights:
        return [PLAN[int(number) - 1] for number in options.nights.split(",")]
    return list(PLAN[: options.slots])


def main() -> None:
    """Read the options, and play the month in a name space in which a disk may be mounted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slots", type=int, default=len(PLAN))
    parser.add_argument("--nights", default="")
    parser.add_argument("--seconds", type=float, default=SLOT_SECONDS)
    parser.add_argument("--dry", action="store_true")
    options = parser.parse_args()
    if not options.dry:
        require_clean_tree()
    if not os.environ.get(MOUNTED):
        command = ["unshare", "--mount", "--map-root-user", sys.executable, "-m", PACKAGE]
        environment = os.environ | {MOUNTED: "1", "OMP_NUM_THREADS": "1"}
        done = subprocess.run([*command, *sys.argv[1:]], env=environment, check=False)
        sys.exit(done.returncode)
    figures = measure(chosen_slots(options), options.seconds)
    for each in figures:
        print(f"{each.figure}: {each.value:g} {each.unit} (goal {each.goal:g}); {each.note}")
    if not options.dry:
        write("unattended", figures)


if __name__ == "__main__":
    main()
