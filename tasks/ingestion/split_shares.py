"""The split shares of a dataset, frozen once a model was trained on it."""

from collections.abc import Mapping

from data.catalog.catalog import Dataset
from data.errors import RowError
from tasks.ingestion.snapshot_log import SnapshotLog
from tasks.store.artifacts import TokenSet
from tasks.store.home import home
from tasks.store.manifests import MANIFEST, read_manifest, set_artifact_aside
from tasks.store.sealed import DamagedError


def check_frozen(entry: Dataset, history: SnapshotLog) -> None:
    """Check that no text of an earlier training split becomes a test row.

    A smaller test share is fine, and a larger one up to the validation share:
    the position of a text among the splits is fixed, test first.

    Raises:
        RowError: If one would; with the earlier shares.
    """
    now = entry.splits
    moving = [made for made in history.ingestions if _moves_to_test(made.shares, now)]
    used = _tokenized_snapshots(entry.name) if moving else set()
    for made in (made for made in moving if made.snapshot in used):
        raise RowError(
            f"{entry.file}, entry {entry.name}, splits: models were trained on snapshot "
            f"{made.snapshot}, of which {_describe(made.shares)}, and now {_describe(now)}: "
            "texts of their training split would become test rows. Restore the shares, or give "
            "the dataset a new name: its models and history keep the old name"
        )


def _moves_to_test(was: Mapping[str, float], now: Mapping[str, float]) -> bool:
    if ("test" in was) != ("test" in now):
        return True
    return now.get("test", 0.0) > was.get("test", 0.0) + was.get("validation", 0.0)


def _describe(shares: Mapping[str, float]) -> str:
    return (
        f"{shares['test']:g} is test by content" if "test" in shares else "test is the publisher's"
    )


def _tokenized_snapshots(dataset: str) -> set[str]:
    """Find the snapshots that have a token set, as every training needs one."""
    found = set[str]()
    for path in (home() / TokenSet.KIND).glob(f"{dataset}-*/{MANIFEST}"):
        try:
            manifest = read_manifest(path.parent)
        except DamagedError as error:
            set_artifact_aside(path.parent, error)
            continue
        if manifest and manifest.fields["dataset"] == dataset:
            found.add(manifest.fields["snapshot"])
    return found
