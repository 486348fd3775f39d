"""The snapshots of a dataset: a report on the newest, the earlier ones, and their models."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.rows.splits import SPLITS
from tasks.ingest import compared, fault_of
from tasks.ingestion.catalog_entries import checked_entry
from tasks.ingestion.reference_snapshot import check_changes
from tasks.ingestion.snapshot import make_snapshot
from tasks.ingestion.snapshot_log import SnapshotLog
from tasks.ingestion.snapshot_writer import read_report
from tasks.pages.data import page, write_page
from tasks.registry.version_lists import versions_by_snapshot
from tasks.store.artifacts import Scores, Snapshot
from tasks.store.home import home
from tasks.store.manifests import explained_damage


@dataclass(frozen=True)
class Checked:
    """The report on a dataset, and the fault that would stop a training (empty if none)."""

    snapshot: Snapshot
    is_new: bool
    page: str
    path: Path
    report: dict[str, Any]
    fault: str


def check_dataset(dataset: str, catalog: str | None = None) -> Checked:
    """Ingest a dataset, as a retraining would, and report on it."""
    entry = checked_entry(dataset, catalog)
    snapshot, is_new = make_snapshot(entry)
    comparison = compared(entry, snapshot)
    fault = fault_of(entry, snapshot)
    if not fault:
        try:
            check_changes(comparison)
        except ValueError as error:
            fault = str(error)
    shown = page(entry, snapshot, comparison.lines())
    path = write_page(entry, snapshot, comparison.lines())
    return Checked(snapshot, is_new, shown, path, read_report(snapshot), fault)


@explained_damage()
def list_snapshots(dataset: str) -> list[dict[str, Any]]:
    """List the ingestions of a dataset with changes, oldest first, and the versions of each."""
    used = versions_by_snapshot(dataset) if (home() / Scores.KIND).exists() else {}
    rows = []
    for made in SnapshotLog.of(dataset).ingestions:
        if made.snapshot == made.parent:  # other code or checks gave the same rows
            continue
        there = Snapshot.listed(dataset, made.snapshot)
        rows.append(
            {
                "snapshot": made.snapshot,
                "parent": made.parent,
                "made": made.made,
                "rows": {split: made.rows.get(split, 0) for split in (*SPLITS, "refused")},
                "new": made.new,
                "gone": made.gone,
                "removed": made.removed,
                "is_there": there is not None,
                "versions": used.get(made.snapshot, []),
            }
        )
    return rows
