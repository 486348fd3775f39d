"""Source to snapshot: checked rows as Parquet, with the rejected rows and their reasons."""

import logging

from prefect import task
from prefect.cache_policies import NO_CACHE

from data.catalog.catalog import Dataset
from data.errors import RowError
from tasks.ingestion.catalog_entries import checked_entry
from tasks.ingestion.reference_snapshot import Comparison, check_changes, compare_with_accepted
from tasks.ingestion.reference_snapshot import accept as accept_snapshot
from tasks.ingestion.snapshot import check_share, make_snapshot
from tasks.ingestion.snapshot_log import SnapshotLog
from tasks.monitoring.staleness import warn_in_flow
from tasks.pages.data import show_data
from tasks.store.artifacts import Snapshot
from tasks.task_states import completed, unchanged

log = logging.getLogger(__name__)


# No retries here: the sources repeat their requests themselves, and a bad row stays bad.
@task(task_run_name="ingest-{dataset}", cache_policy=NO_CACHE)
def ingest(
    dataset: str, catalog: str | None = None, snapshot: str | None = None, accept: bool = False
) -> Snapshot:
    """Read, check and split the rows of a dataset into a snapshot, or find the current one.

    Args:
        dataset: Name of the dataset.
        catalog: Further catalog files.
        snapshot: Digest of an earlier snapshot, or its first digits, to use instead.
        accept: Accept a snapshot that differs from the accepted one by more than the limits.
    """
    entry = checked_entry(dataset, catalog)
    if snapshot:  # chosen by a person, so it is not the reference of later snapshots
        found = SnapshotLog.of(dataset).find(snapshot)
        show_data(entry, found)
        check_share(entry, found)
        return unchanged(found)
    found, is_new = make_snapshot(entry)
    comparison = compared(entry, found)
    show_data(entry, found, comparison.lines())
    check_share(entry, found)
    if not accept:
        check_changes(comparison)
    accept_snapshot(entry, comparison)
    if warning := warn_in_flow(entry):
        return completed(found, *warning)
    return found if is_new else unchanged(found)


def compared(entry: Dataset, snapshot: Snapshot) -> Comparison:
    """Compare a snapshot with the last accepted one."""
    return compare_with_accepted(entry, snapshot, lambda earlier: not fault_of(entry, earlier))


def fault_of(entry: Dataset, snapshot: Snapshot) -> str:
    """Describe why a snapshot cannot be trained on; empty if it can."""
    try:
        check_share(entry, snapshot)
    except RowError as error:
        return str(error)
    return ""
