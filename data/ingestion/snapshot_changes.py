"""Changes between two snapshots of a dataset, and the limits of its entry that they exceed."""

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from data.rows.check_settings import CheckSettings
from data.rows.splits import SPLITS

CHANCE = 3.0  # standard errors that a difference between two samples of one source rarely exceeds
FEW_UNITS = 2  # a median that moves by fewer characters or tokens is not reported
SINGULAR = {"labels": "label", "entities": "entity"}
Report = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """One change: its subject, both values, and the limit that it exceeds (empty if none)."""

    what: str
    before: str
    now: str
    limit: str = ""

    def __str__(self) -> str:
        beyond = f" ({self.limit})" if self.limit else ""
        return f"{self.what}: {self.before} before, {self.now} now{beyond}"


def find_changes(
    before: Report,
    now: Report,
    rules: CheckSettings,
    *,
    relabelled: tuple[int, int],
    known: Collection[str] = (),
) -> list[Change]:
    """Compare the reports of two snapshots.

    Args:
        before: Report of the snapshot that was accepted last.
        now: Report of the new one.
        rules: The limits.
        relabelled: How many common texts have another label or other tags, and
            how many common texts there are.
        known: Labels and kinds of entities that the catalog entry lists; new
            ones among them exceed no limit.
    """
    return [
        *_rows(before, now, rules),
        *_classes(before, now, rules, known),
        *_lengths(before, now, rules),
        *_relabelled(relabelled, rules),
    ]


def _rows(before: Report, now: Report, rules: CheckSettings) -> Iterator[Change]:
    was = before["kept"]
    found = now["kept"]
    shrunk = f"checks.max_shrink allows {rules.max_shrink:.0%} fewer"
    is_beyond = found < (1 - rules.max_shrink) * was
    if found != was:
        yield Change("rows", f"{was:,}", f"{found:,}", shrunk if is_beyond else "")
    for split in SPLITS if not is_beyond else ():
        was, found = (report["splits"][split]["rows"] for report in (before, now))
        # A split by content is a sample: with few rows, their number varies by chance.
        margin = CHANCE * math.sqrt(was) if was > found > 0 else 0
        if found < (1 - rules.max_shrink) * was - margin:
            yield Change(f"rows of {split}", f"{was:,}", f"{found:,}", shrunk)


def _classes(
    before: Report, now: Report, rules: CheckSettings, known: Collection[str]
) -> Iterator[Change]:
    for counted, subject in SINGULAR.items():
        was = _counts(before, counted)
        found = _counts(now, counted)
        if not was:  # nothing was counted, or the dataset had no rows
            continue
        for name in found.keys() - was.keys():
            limit = (
                "" if name in known or rules.new_classes == "take" else "checks.new_classes is stop"
            )
            yield Change(f"{subject} {name!r}", "none", f"{found[name]:,}", limit)
        for name in was.keys() - found.keys():
            limit = "" if rules.lost_classes == "take" else "checks.lost_classes is stop"
            yield Change(f"{subject} {name!r}", f"{was[name]:,}", "none", limit)
        yield from _shares(was, found, subject, rules)


def _counts(report: Report, counted: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for split in SPLITS:
        found.update(report["splits"][split][counted])
    return found


def _shares(
    was: Counter[str], found: Counter[str], subject: str, rules: CheckSettings
) -> Iterator[Change]:
    num_was = was.total()
    num_found = found.total()
    for name in sorted(was.keys() & found.keys()):
        before = was[name] / num_was
        now = found[name] / num_found
        both = (was[name] + found[name]) / (num_was + num_found)
        error = math.sqrt(both * (1 - both) * (1 / num_was + 1 / num_found))
        if abs(now - before) > max(rules.max_share_change, CHANCE * error):
            limit = f"checks.max_share_change allows {100 * rules.max_share_change:g} points"
            yield Change(f"share of {subject} {name!r}", f"{before:.1%}", f"{now:.1%}", limit)


def _lengths(before: Report, now: Report, rules: CheckSettings) -> Iterator[Change]:
    was, found = (report["splits"]["train"]["lengths"] for report in (before, now))
    for side in was.keys() & found.keys():
        short, long = sorted((was[side]["50"], found[side]["50"]))
        if long >= rules.max_length_change * max(short, 1) and long - short >= FEW_UNITS:
            unit = "tokens" if side == "tokens" else "characters"
            limit = f"checks.max_length_change is {rules.max_length_change:g} times"
            yield Change(
                f"median length of {side}",
                f"{was[side]['50']:,} {unit}",
                f"{found[side]['50']:,}",
                limit,
            )


def _relabelled(relabelled: tuple[int, int], rules: CheckSettings) -> Iterator[Change]:
    num, common = relabelled
    if num:
        limit = (
            f"checks.max_relabelled allows {rules.max_relabelled:.0%}"
            if num > rules.max_relabelled * common
            else ""
        )
        yield Change(
            f"labels of the {common:,} texts in both",
            "as they were",
            f"{num:,} others ({num / common:.1%})",
            limit,
        )
