"""The way in which a dataset is split is frozen once something was trained on it."""

import json
from collections.abc import Mapping

from data.catalog.catalog import Dataset
from data.errors import RowError
from tasks.ingestion.snapshot_log import History
from tasks.store.artifacts import MANIFEST, TokenSet
from tasks.store.home import home


def check_frozen(entry: Dataset, history: History) -> None:
    """Refuse shares of an entry by which texts that were trained on would become test rows.

    A smaller test share is fine, and a larger one as far as validation
    reached: the place of a text among the splits is fixed, test first.

    Raises:
        RowError: Says what the shares were.
    """
    used, now = _tokenized_snapshots(entry.name), entry.splits
    for made in history.ingestions:
        if made.snapshot not in used or not _moves_to_test(made.shares, now):
            continue
        raise RowError(
            f"{entry.file}, entry {entry.name}, splits: models were trained on snapshot {made.snapshot}, of which "
            f"{_said(made.shares)}, and now {_said(now)}: texts they have seen would become test rows. "
            "Take the shares back, or give the dataset a new name: its old models and history keep the old one"
        )


def _moves_to_test(was: Mapping[str, float], now: Mapping[str, float]) -> bool:
    if ("test" in was) != ("test" in now):
        return True
    return now.get("test", 0.0) > was.get("test", 0.0) + was.get("validation", 0.0)


def _said(shares: Mapping[str, float]) -> str:
    return (
        f"{shares['test']:g} is test by content" if "test" in shares else "test is the publisher's"
    )


def _tokenized_snapshots(dataset: str) -> set[str]:
    """Digests of the snapshots of which a token set was made, as every training needs one."""
    manifests = [
        json.loads(path.read_text())
        for path in (home() / TokenSet.KIND).glob(f"{dataset}-*/{MANIFEST}")
    ]
    return {manifest["snapshot"] for manifest in manifests if manifest["dataset"] == dataset}
