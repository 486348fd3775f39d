"""Partitions of a source: checked rows are stored, so a growing dataset reads only new ones."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.catalog.catalog import Dataset
from data.formats.base import TEXT
from data.ingestion.splitting import NO_REMOVALS, checked_tables
from data.rows.arrow_text import hashes
from data.rows.hash_set import Hashes, Seen
from data.rows.removals import KEY, Removals
from data.rows.splits import CONTENT_KEY
from data.rows.streams import parquet_batches
from data.sources.base import Access, GrowingSource, Partition
from tasks.ingestion.snapshot_writer import parquet_writer
from tasks.store.artifact_base import Artifact
from tasks.store.code import digest

ROWS = "rows.parquet"
STAMPS = "stamps.npy"


@dataclass(frozen=True, kw_only=True)
class PartitionRows(Artifact):
    """The checked rows of one partition, before rows are compared with each other."""

    KIND: ClassVar[str] = "pieces"
    name: str
    rows: int


def piece_key(piece: Partition, rows_key: str) -> str:
    """Digest the name and version of a partition and the key of its rows."""
    return digest(rows_key, piece.split, piece.name, piece.version, piece.mark)


def kept_rows(
    entry: Dataset,
    piece: Partition,
    access: Access,
    rows_key: str,
    removals: Removals = NO_REMOVALS,
) -> PartitionRows:
    """Find the rows of a partition in the store, or read them, without the removed ones."""
    key = piece_key(piece, rows_key)
    with PartitionRows.once(entry.name, key) as (found, folder):
        if found:
            return found
        # Before the rows: a row inserted in between counts as late, and is read again.
        if piece.mark is not None and isinstance(entry.source, GrowingSource):
            np.save(folder / STAMPS, _pairs(entry.source.stamps(access, piece, is_alone=True)))
        writer = None
        num = 0
        for table in checked_tables(entry, piece, access, removals):
            writer = writer or parquet_writer(folder / ROWS, table.schema)
            writer.write_table(table)
            num += table.num_rows
        if writer:
            writer.close()
        return PartitionRows(dataset=entry.name, digest=key, name=piece.name, rows=num).commit()


def piece_tables(
    entry: Dataset,
    piece: Partition,
    access: Access,
    rows_key: str,
    lives: NDArray[np.bool_] | None = None,
    removals: Removals = NO_REMOVALS,
) -> Iterator[pa.Table]:
    """Yield the checked rows of a partition; of a stored one, those marked in ``lives``, (N,)."""
    if not piece.is_kept:
        yield from checked_tables(entry, piece, access, removals)
        return
    kept = kept_rows(entry, piece, access, rows_key, removals)
    start = 0
    for table in parquet_batches(kept.folder / ROWS) if kept.rows else ():
        stop = start + table.num_rows
        yield table if lives is None else table.filter(pa.array(lives[start:stop]))
        start = stop


class LateRowsError(Exception):
    """The source has rows that no partition has: they are new below the last watermark."""


def current_rows(
    entry: Dataset,
    pieces: list[Partition],
    access: Access,
    rows_key: str,
    removals: Removals = NO_REMOVALS,
    *,
    is_last: bool = False,
) -> list[NDArray[np.bool_] | None]:
    """Mark the rows of each partition that are still in the source and were not replaced.

    Raises:
        LateRowsError: If the source has rows that no partition has; with
            ``is_last`` they wait for the next ingestion.
    """
    source = entry.source
    has_marks = bool(pieces) and all(piece.mark is not None for piece in pieces)
    if not has_marks or not isinstance(source, GrowingSource):
        return [None] * len(pieces)
    kept = [kept_rows(entry, piece, access, rows_key, removals) for piece in pieces]
    if not is_last:
        stamps = np.concatenate([np.load(piece.folder / STAMPS) for piece in kept])
        _check_late(Seen(stamps), source, pieces[-1], access)
    alive = Seen()
    for batch in source.keys(access):
        alive.put(hashes(pa.chunked_array([batch.cast(TEXT)]), CONTENT_KEY))
    marks = []
    later = Seen()
    for keys in map(_keys_of, reversed(kept)):  # the last row of a key is the current one
        is_newest, _ = later.put(keys[::-1])
        marks.append(is_newest[::-1] & alive.has(keys))
    return [*reversed(marks)]


def _check_late(known: Seen, source: GrowingSource, until: Partition, access: Access) -> None:
    for table in source.stamps(access, until):
        if not known.has(_pairs([table])).all():
            raise LateRowsError


def _pairs(stamps: Iterable[pa.Table]) -> Hashes:
    """Hash keys together with their watermarks."""
    joined = [pc.binary_join_element_wise(*table.columns, "\x1f") for table in stamps]
    return np.concatenate(
        [np.zeros(0, np.uint64), *(hashes(pairs, CONTENT_KEY) for pairs in joined)]
    )


def _keys_of(kept: PartitionRows) -> NDArray[np.uint64]:
    found = [np.zeros(0, np.uint64)]
    for table in parquet_batches(kept.folder / ROWS) if kept.rows else ():
        found.append(
            hashes(pa.chunked_array([table[KEY].combine_chunks().fill_null("")]), CONTENT_KEY)
        )
    return np.concatenate(found)
