"""Pieces of a source whose checked rows are kept, so that a growing dataset reads only what is new."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.catalog import Dataset
from data.format import TEXT
from data.rows import KEY, checked_tables
from data.seen import Seen
from data.source import Access, Piece
from data.splits import CONTENT_KEY, hashes
from data.streams import parquet_batches
from tasks.artifacts import Noun, digest

ROWS = "rows.parquet"


@dataclass(frozen=True, kw_only=True)
class PieceRows(Noun):
    """The checked rows of one piece, before any row is compared with another."""

    KIND: ClassVar[str] = "pieces"
    name: str
    rows: int


def piece_key(piece: Piece, rows_key: str) -> str:
    """Digest of a kept piece: of what names it, and of what makes its rows."""
    return digest(rows_key, piece.split, piece.name, piece.version, piece.mark)


def kept_rows(entry: Dataset, piece: Piece, access: Access, rows_key: str) -> PieceRows:
    """Find the rows of a piece in the store, or read them into it."""
    key = piece_key(piece, rows_key)
    found = PieceRows.find(entry.name, key)
    if found:
        return found
    with PieceRows.making(entry.name, key) as folder:
        writer, num = None, 0
        for table in checked_tables(entry, piece, access):
            writer = writer or pq.ParquetWriter(folder / ROWS, table.schema, compression="zstd", compression_level=1)
            writer.write_table(table)
            num += table.num_rows
        if writer:
            writer.close()
        return PieceRows(dataset=entry.name, digest=key, name=piece.name, rows=num).commit()


def piece_tables(
    entry: Dataset, piece: Piece, access: Access, rows_key: str, lives: NDArray[np.bool_] | None = None
) -> Iterator[pa.Table]:
    """The checked rows of a piece; of a kept one only those marked in ``lives``, (N,)."""
    if not piece.is_kept:
        yield from checked_tables(entry, piece, access)
        return
    kept, start = kept_rows(entry, piece, access, rows_key), 0
    for table in parquet_batches(kept.folder / ROWS) if kept.rows else ():
        stop = start + table.num_rows
        yield table if lives is None else table.filter(pa.array(lives[start:stop]))
        start = stop


class LateRowsError(Exception):
    """Rows stand in the source that no piece has: they were committed below the last watermark."""


def living_rows(
    entry: Dataset, pieces: list[Piece], access: Access, rows_key: str, *, is_last: bool = False
) -> list[NDArray[np.bool_] | None]:
    """Mark the rows of each piece that are still in the source and have not come again since.

    Raises:
        LateRowsError: If the source has keys that no piece has; with ``is_last``
            they wait for the next ingestion.
    """
    if entry.source.has_format or not all(piece.is_kept for piece in pieces):
        return [None] * len(pieces)
    there = entry.source.keys(access)
    if there is None:
        return [None] * len(pieces)
    keys = [_keys_of(kept_rows(entry, piece, access, rows_key)) for piece in pieces]
    known, alive = Seen(np.concatenate(keys)), Seen()
    for batch in there:
        hashed = hashes(pa.chunked_array([batch.cast(TEXT)]), CONTENT_KEY)
        if not is_last and not known.has(hashed).all():
            raise LateRowsError
        alive.put(hashed)
    marks, later = [], Seen()
    for piece in reversed(keys):  # a key's last row is the one that counts
        is_newest, _ = later.put(piece[::-1])
        marks.append(is_newest[::-1] & alive.has(piece))
    return [*reversed(marks)]


def _keys_of(kept: PieceRows) -> NDArray[np.uint64]:
    found = [np.zeros(0, np.uint64)]
    for table in parquet_batches(kept.folder / ROWS) if kept.rows else ():
        found.append(hashes(pa.chunked_array([table[KEY].combine_chunks().fill_null("")]), CONTENT_KEY))
    return np.concatenate(found)
