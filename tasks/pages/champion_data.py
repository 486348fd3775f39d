"""What changed in the data since the snapshot that the champion was trained on."""

from collections.abc import Iterator, Mapping
from typing import Any

from data.rows.splits import SPLITS
from tasks.ingestion.snapshot_writer import read_report
from tasks.pages.markdown import cell, table_row
from tasks.registry.versions import SNAPSHOT, version_info
from tasks.store.artifacts import Snapshot, TokenSet

MOST_NAMES = 8


def champion_data(dataset: str, champion: str, tokens: TokenSet) -> str:
    """Compare the rows of a token set with those of the champion's snapshot, in Markdown."""
    info = version_info(dataset, champion) if champion else None
    before = info.tags.get(SNAPSHOT, "") if info else ""
    if not before:
        return "There is no champion to compare with."
    if before == tokens.snapshot:
        return f"None: version {champion} was trained on the same snapshot `{before}`."
    found = Snapshot.find(dataset, before)
    if found is None:
        return f"Unknown: snapshot `{before}` of version {champion} is no longer in the store."
    rows = _rows(read_report(found), read_report(tokens.snapshot_of()))
    head = (
        f"Version {champion} was trained on snapshot `{before}`, this one on `{tokens.snapshot}`."
    )
    return "\n\n".join([head, "\n".join(rows)])


def _rows(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    yield "| | champion's | now | change |"
    yield "|---|---:|---:|---:|"
    for split in SPLITS:
        ours, theirs = (report["splits"][split] for report in (now, before))
        yield table_row(f"rows of {split}", _numbers(theirs["rows"], ours["rows"]))
    yield table_row("rows rejected", _numbers(before["refused"], now["refused"]))
    for kind, what in (("labels", "label"), ("entities", "entity")):
        theirs = _shares(before["splits"]["train"][kind])
        ours = _shares(now["splits"]["train"][kind])
        names = sorted(
            theirs | ours, key=lambda name: -abs(ours.get(name, 0) - theirs.get(name, 0))
        )
        for name in names[:MOST_NAMES]:
            values = theirs.get(name, 0.0), ours.get(name, 0.0)
            change = f"{values[1] - values[0]:+.1f} points"
            shown = [*(f"{value:.1f} %" for value in values), change]
            yield table_row(f"{what} {cell(name)} in train", shown)


def _numbers(before: int, now: int) -> list[str]:
    return [f"{before:,}", f"{now:,}", f"{now - before:+,}"]


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    total = max(sum(counts.values()), 1)
    return {name: 100 * num / total for name, num in counts.items()}
