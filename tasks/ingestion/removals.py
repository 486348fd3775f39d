"""Removal lists: the texts and keys of a dataset that no later snapshot may hold."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.catalog.catalog import Dataset
from data.errors import RowError
from data.ingestion.splitting import REFUSED
from data.rows.arrow_text import hashes, normalized
from data.rows.removals import Removals, text_hash
from data.rows.splits import SPLIT_KEY, SPLITS
from data.rows.streams import parquet_batches
from data.sources.base import Access
from data.sources.filesystem import explain_errors, system_of, with_retries
from data.text.invisible_characters import trimmed_name
from tasks.ingestion.snapshot_log import SnapshotLog
from tasks.store.artifacts import Snapshot
from tasks.store.growing_files import damage, read_grown, write_grown
from tasks.store.home import home
from tasks.store.locks import locked


def own_list(dataset: str) -> Path:
    """Return the path of the removal list that ``refrain forget`` writes."""
    return home() / "removals" / f"{dataset}.txt"


def removal_lines(entry: Dataset, access: Access) -> list[str]:
    """Read the removal lists of a dataset: that of its entry and that of ``refrain forget``.

    Raises:
        RowError: If the entry's list is missing, or a line is neither a text nor a key.
        OSError: If the entry's list cannot be reached.
    """
    own = own_list(entry.name)
    lines = _checked("\n".join(own_lines(own)), str(own))
    if not entry.removals:
        return lines
    where = f"{entry.file}, entry {entry.name}, removals"
    try:
        with explain_errors(entry.removals, access):
            system, path = system_of(entry.removals, {}, access)
            text = with_retries(lambda: system.read_text(path, encoding="utf-8"))
    except RowError as error:
        raise RowError(f"{where}: {error}") from None
    return _checked(text, f"{where}: {entry.removals}") + lines


def _checked(text: str, where: str) -> list[str]:
    lines = text.splitlines()
    try:
        Removals.of(lines)
    except RowError as error:
        raise RowError(f"{where}, {error}") from None
    return lines


def forget(entry: Dataset, texts: Iterable[str], keys: Iterable[str]) -> list[str]:
    """Add texts, as hashes, and keys to a dataset's removal list.

    Returns:
        The new lines of the list.

    Raises:
        RowError: If a text or a key is empty, or the source gives rows no key.
    """
    lines = [
        *(f"text:{text_hash(_filled(text, 'text'))}" for text in texts),
        *(f"key:{_filled(key, 'key')}" for key in keys),
    ]
    if any(line.startswith("key:") for line in lines) and "key" not in entry.columns:
        raise RowError(
            f"{entry.name}: its rows have no key: "
            "give a text instead, or name the key's column in columns"
        )
    path = own_list(entry.name)
    with locked("removals", entry.name):  # two requests at once must not lose one
        known = own_lines(path)
        listed = set(known)
        new = [line for line in dict.fromkeys(lines) if line not in listed]
        write_grown(path, "".join(f"{line}\n" for line in [*known, *new]))
    return new


def own_lines(path: Path) -> list[str]:
    """Read the lines of a removal list that ``refrain forget`` writes; none if there is no list.

    Raises:
        DamagedError: If it is damaged.
    """
    try:
        return read_grown(path).decode().splitlines()
    except UnicodeDecodeError as error:
        raise damage(path, f"is no UTF-8 at byte {error.start:,}") from None


def _filled(value: str, what: str) -> str:
    if not trimmed_name(value) or (what == "key" and len(value.strip().splitlines()) > 1):
        raise RowError(f"expected a {what} to be forgotten, got {value!r}")
    return value.strip() if what == "key" else value


def holders(entry: Dataset, texts: Iterable[str]) -> list[str]:
    """Find the stored snapshots with one of some texts, rejected rows included, oldest first."""
    wanted = np.asarray([int(text_hash(text), 16) for text in texts], np.uint64)
    made = dict.fromkeys(
        made.snapshot for made in SnapshotLog.of(entry.name).ingestions if len(wanted)
    )
    there = [snapshot for digest in made if (snapshot := Snapshot.find(entry.name, digest))]
    return [
        snapshot.digest
        for snapshot in there
        if any(np.isin(found, wanted).any() for found in _side_hashes(snapshot))
    ]


def _side_hashes(snapshot: Snapshot) -> Iterator[np.ndarray]:
    for split in (*SPLITS, REFUSED):
        path = snapshot.folder / f"{split}.parquet"
        for table in parquet_batches(path) if path.exists() else ():
            # The raw text of a rejected row has a tab after its source side.
            side = (
                pc.replace_substring_regex(table["raw"], r"(?s)\t.*", "")
                if split == REFUSED
                else table.column(0)
            )
            column: pa.ChunkedArray = normalized(side)
            yield hashes(column, SPLIT_KEY)
