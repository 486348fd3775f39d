"""Deliveries of a source that look wrong beside the ones before."""

import math
from collections import Counter
from statistics import median

from data.rows.splits import SPLITS
from tasks.ingestion.snapshot_log import Ingestion, SnapshotLog
from tasks.ingestion.snapshot_writer import read_report
from tasks.store.artifacts import Snapshot

FEWEST = 3  # deliveries or snapshots before, or nothing is usual
MOST = 10  # of them that are compared
FACTOR = 3.0  # times more or fewer new rows than usual
CHANCE = 5.0  # standard deviations of the deliveries before
POINTS = 0.05  # that a label's share lies outside of those before
SHARE_CHANCE = 3.0  # standard errors of a share


def delivered_again(history: SnapshotLog) -> list[str]:
    """Name the files of the last ingestion that are new and have no new row."""
    if len(history.ingestions) < 2:
        return []
    before, last = history.ingestions[-2:]
    is_same_rows = not last.new and not last.gone and last.rows_key == before.rows_key
    added = [
        name for name, version in _pieces(last).items() if _pieces(before).get(name) != version
    ]
    # Without a version, only reading shows whether rows changed, so nothing was delivered.
    if not is_same_rows or not added or not all(_pieces(last).values()):
        return []
    more = f" and {len(added) - 1} more" if len(added) > 1 else ""
    return [f"the source delivered {added[-1]}{more}, and all rows were known before"]


def _pieces(made: Ingestion) -> dict[str, str]:
    return {piece["name"]: piece["version"] for piece in made.pieces}


def unusual_counts(history: SnapshotLog) -> list[str]:
    """Compare the number of new rows with those of the deliveries before."""
    # The first ingestion reads all there is.
    deliveries = [made.new for made in history.ingestions[1:] if made.new]
    before = deliveries[-1 - MOST : -1]
    if len(before) < FEWEST or not history.ingestions[-1].new:
        return []
    usual = median(before)
    spread = 1.4826 * median(abs(num - usual) for num in before)  # as a standard deviation
    found = deliveries[-1]
    is_far = abs(math.log(found / usual)) > math.log(FACTOR)
    if not is_far or abs(found - usual) <= CHANCE * max(spread, math.sqrt(usual)):
        return []
    return [f"{found:,} new rows, where the last {len(before)} deliveries had {usual:,.0f} each"]


def unusual_shares(dataset: str, history: SnapshotLog) -> list[str]:
    """Compare the shares of labels or kinds of entities with those of the snapshots before."""
    digests = list(dict.fromkeys(made.snapshot for made in reversed(history.ingestions)))
    found = [Snapshot.find(dataset, digest) for digest in digests[: 1 + MOST]]
    counts = [_labels(snapshot) for snapshot in found if snapshot]
    if len(counts) <= FEWEST or not counts[0]:
        return []
    now = counts[0]
    warnings = []
    for name in sorted(set().union(*counts)):
        share = now[name] / now.total()
        shares = [each[name] / max(1, each.total()) for each in counts[1:]]
        margin = POINTS + SHARE_CHANCE * math.sqrt(share * (1 - share) / now.total())
        if not min(shares) - margin <= share <= max(shares) + margin:
            between = f"{min(shares):.1%} to {max(shares):.1%}"
            warnings.append(
                f"{share:.1%} of the labels are {name!r}, "
                f"in the last {len(shares)} snapshots {between}"
            )
    return warnings


def _labels(snapshot: Snapshot) -> Counter[str]:
    splits = read_report(snapshot)["splits"]
    found: Counter[str] = Counter()
    for split in SPLITS:
        found.update(splits[split]["labels"] or splits[split]["entities"])
    return found
