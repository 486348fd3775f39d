"""Tables that come batch by batch: read again and again, some of their rows, work on several at a time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.rows.arrow_text import hashes, normalised
from data.rows.splits import CONTENT_KEY

BATCH_ROWS = 8192


@dataclass(frozen=True)
class Stream:
    """Tables that can be read from their start again and again."""

    open: Callable[[], Iterator[pa.Table]]

    def __iter__(self) -> Iterator[pa.Table]:
        return self.open()


def parquet_batches(path: Path, size: int = BATCH_ROWS) -> Iterator[pa.Table]:
    """The rows of a file, ``size`` at a time."""
    with pq.ParquetFile(
        path, pre_buffer=False
    ) as file:  # buffering ahead holds a whole file's columns in memory
        yield from (pa.Table.from_batches([batch]) for batch in file.iter_batches(size))


def smallest_rows(tables: Iterable[pa.Table], limit: int) -> NDArray[np.int64]:
    """Numbers of the ``limit`` rows with the smallest content hashes, ascending.

    The same rows every time, whatever their order, and no more than ``limit``
    hashes and those of one table are held at once.
    """
    places, rows, seen = np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64), 0
    for table in tables:
        places = np.concatenate(
            [places, hashes(normalised(table[table.column_names[0]]), CONTENT_KEY)]
        )
        rows = np.concatenate([rows, np.arange(seen, seen + table.num_rows)])
        best = np.argsort(places, kind="stable")[:limit]  # of equal rows, the first
        places, rows, seen = places[best], rows[best], seen + table.num_rows
    return np.sort(rows)


def only_rows(tables: Iterable[pa.Table], rows: NDArray[np.int64]) -> Iterator[pa.Table]:
    """Some rows, by their numbers over all tables, ascending."""
    seen = 0
    for table in tables:
        first, last = np.searchsorted(rows, [seen, seen + table.num_rows])
        if last > first:
            yield table.take(pa.array(rows[first:last] - seen))
        seen += table.num_rows
