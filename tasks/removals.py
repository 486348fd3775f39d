"""Who asked to be forgotten: the list of a dataset's texts and keys that no later snapshot may hold."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa

from data.catalog import Dataset
from data.errors import RowError
from data.rows import text_hash
from data.source import Access
from data.splits import SPLIT_KEY, SPLITS, hashes, normalised
from data.streams import parquet_batches
from tasks.artifacts import Snapshot, home
from tasks.history import History


def own_list(dataset: str) -> Path:
    """The removal list that ``refrain forget`` writes."""
    return home() / "removals" / f"{dataset}.txt"


def removal_lines(entry: Dataset, access: Access) -> list[str]:
    """Lines of the removal lists of a dataset: that of its entry and that of ``refrain forget``.

    Raises:
        RowError: If the entry's list cannot be found.
    """
    lines = []
    if entry.removals:
        try:
            with fsspec.open(access.reveal(entry.removals), "rt", encoding="utf-8") as file:
                lines += file.read().splitlines()
        except FileNotFoundError:
            raise RowError(f"{entry.file}, entry {entry.name}, removals: there is no file {entry.removals}") from None
    own = own_list(entry.name)
    return lines + (own.read_text(encoding="utf-8").splitlines() if own.exists() else [])


def forget(entry: Dataset, texts: Iterable[str], keys: Iterable[str]) -> list[str]:
    """Add texts (as hashes, never as they are) and keys to a dataset's removal list.

    Returns:
        The lines that are new in it.

    Raises:
        RowError: If a text or a key is empty, or the source gives rows no key.
    """
    lines = [*(f"text:{text_hash(_filled(text, 'text'))}" for text in texts), *(f"key:{_filled(key, 'key')}" for key in keys)]
    if any(line.startswith("key:") for line in lines) and "key" not in entry.columns:
        raise RowError(f"{entry.name}: its rows have no key: name a text instead, or the key's column in columns")
    path = own_list(entry.name)
    known = set(path.read_text(encoding="utf-8").splitlines()) if path.exists() else set()
    new = [line for line in dict.fromkeys(lines) if line not in known]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in new)
        file.flush()
        os.fsync(file.fileno())
    return new


def _filled(value: str, what: str) -> str:
    if not value.strip() or (what == "key" and "\n" in value.strip()):
        raise RowError(f"expected a {what} to be forgotten, got {value!r}")
    return value.strip() if what == "key" else value


def holders(entry: Dataset, texts: Iterable[str]) -> list[str]:
    """Digests of the stored snapshots that hold one of some texts, the oldest first."""
    wanted = np.asarray([int(text_hash(text), 16) for text in texts], np.uint64)
    made = dict.fromkeys(made.snapshot for made in History.of(entry.name).ingestions)
    there = [snapshot for digest in made if (snapshot := Snapshot.find(entry.name, digest))]
    return [snapshot.digest for snapshot in there if any(np.isin(found, wanted).any() for found in _side_hashes(snapshot))]


def _side_hashes(snapshot: Snapshot) -> Iterator[np.ndarray]:
    for split in SPLITS:
        path = snapshot.folder / f"{split}.parquet"
        for table in parquet_batches(path) if path.exists() else ():
            column: pa.ChunkedArray = normalised(table.column(0))
            yield hashes(column, SPLIT_KEY)
