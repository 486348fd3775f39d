"""The rows of a source that are newer than the champion's snapshot, beside older ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.rows.arrow_text import hashes, normalized
from data.rows.hash_set import Seen
from data.rows.splits import SPLIT_KEY, SPLITS, row_hashes
from data.rows.streams import only_rows, parquet_batches
from tasks.ingestion.snapshot_writer import HASHES, file_of
from tasks.monitoring.drift_measures import Samples
from tasks.store.artifacts import Snapshot

KNOWN_ROWS = 20_000  # of training rows, as the data report counts words
Rows = NDArray[np.int64]  # numbers of rows in a split


@dataclass(frozen=True)
class NewRows:
    """The numbers of the new rows in each split of the newest snapshot."""

    snapshot: Snapshot
    rows: dict[str, Rows]

    @property
    def num(self) -> int:
        """How many there are."""
        return sum(map(len, self.rows.values()))

    def table(self, most: int, seed: int = 0) -> pa.Table:
        """Read up to ``most`` of the new rows, drawn by chance."""
        return _read(self.snapshot, _drawn(self.rows, most, np.random.default_rng(seed)))


def find_new_rows(now: Snapshot, before: Snapshot, roles: Sequence[str]) -> NewRows:
    """Find the rows of a snapshot that an earlier one does not have.

    Raises:
        ValueError: If the earlier snapshot has no digests of its rows.
    """
    path = file_of(before, HASHES)
    if path is None:
        raise ValueError(
            f"snapshot {before.digest} of {before.dataset} has no {HASHES}, so its rows cannot be "
            f"compared: refrain run {before.dataset} makes a new champion"
        )
    known = Seen(np.load(path))
    found = {}
    for split in SPLITS:
        marks = [
            ~known.has(_keys(table, roles))
            for table in parquet_batches(now.folder / f"{split}.parquet")
        ]
        found[split] = np.flatnonzero(np.concatenate([np.zeros(0, bool), *marks]))
    return NewRows(now, found)


def _keys(table: pa.Table, roles: Sequence[str]) -> NDArray[np.uint64]:
    """Hash whole rows as an ingestion does."""
    sides = hashes(normalized(table[roles[0]]), SPLIT_KEY)
    return row_hashes(sides, normalized(table[roles[1]]) if len(roles) > 1 else None)


def samples_of(new: NewRows, before: Snapshot, most: int, seed: int = 0) -> Samples:
    """Draw as many new rows as rows of the earlier snapshot, split by split.

    A publisher's test split may differ from its training split, so rows are compared with those
    of the same split. Half of the training rows stay as known rows, because a row cannot lack
    words of its own.
    """
    random = np.random.default_rng(seed)
    drawn = _drawn(new.rows, most, random)
    old: dict[str, Rows] = {}
    for split in SPLITS:
        order = random.permutation(before.rows.get(split, 0))
        num = min(len(drawn[split]), len(order) // 2 if split == "train" else len(order))
        drawn[split] = random.permutation(drawn[split])[:num]
        old[split] = order[:num]
    train = np.setdiff1d(np.arange(before.rows.get("train", 0)), old["train"])
    known = {"train": random.permutation(train)[:KNOWN_ROWS]}
    return Samples(_read(before, old), _read(new.snapshot, drawn), _read(before, known))


def _drawn(rows: dict[str, Rows], most: int, random: np.random.Generator) -> dict[str, Rows]:
    """Draw up to ``most`` rows of all splits together."""
    splits = np.repeat(np.arange(len(SPLITS)), [len(rows[split]) for split in SPLITS])
    numbers = np.concatenate([rows[split] for split in SPLITS])
    chosen = random.permutation(len(numbers))[:most]
    return {
        split: np.sort(numbers[chosen][splits[chosen] == index])
        for index, split in enumerate(SPLITS)
    }


def _read(snapshot: Snapshot, rows: dict[str, Rows]) -> pa.Table:
    tables = [
        table
        for split, numbers in rows.items()
        for table in only_rows(
            parquet_batches(snapshot.folder / f"{split}.parquet"), np.sort(numbers)
        )
    ]
    empty = parquet_batches(snapshot.folder / "test.parquet")
    return pa.concat_tables(tables) if tables else next(empty).slice(0, 0)
