"""Streams of tables: read more than once, or only some of their rows."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.rows.arrow_text import hashes, normalized
from data.rows.splits import CONTENT_KEY

BATCH_ROWS = 8192


@dataclass(frozen=True)
class Stream:
    """Tables that can be read more than once."""

    open: Callable[[], Iterator[pa.Table]]

    def __iter__(self) -> Iterator[pa.Table]:
        return self.open()


def parquet_batches(path: Path, size: int = BATCH_ROWS) -> Iterator[pa.Table]:
    """Read the rows of a file, ``size`` at a time."""
    # Pre-buffering would hold whole columns of the file in memory.
    with pq.ParquetFile(path, pre_buffer=False) as file:
        yield from (pa.Table.from_batches([batch]) for batch in file.iter_batches(size))


def smallest_rows(tables: Iterable[pa.Table], limit: int) -> NDArray[np.int64]:
    """Find the ``limit`` rows with the smallest content hashes, by their numbers, ascending.

    The choice does not depend on the order of rows. Memory holds ``limit``
    hashes and those of one table.
    """
    smallest = np.zeros(0, dtype=np.uint64)
    rows = np.zeros(0, dtype=np.int64)
    num_seen = 0
    for table in tables:
        found = hashes(normalized(table[table.column_names[0]]), CONTENT_KEY)
        smallest = np.concatenate([smallest, found])
        rows = np.concatenate([rows, np.arange(num_seen, num_seen + table.num_rows)])
        best = np.argsort(smallest, kind="stable")[:limit]  # of equal rows, the first
        smallest = smallest[best]
        rows = rows[best]
        num_seen += table.num_rows
    return np.sort(rows)


def only_rows(tables: Iterable[pa.Table], rows: NDArray[np.int64]) -> Iterator[pa.Table]:
    """Read some rows, by their ascending numbers over all tables."""
    num_seen = 0
    for table in tables:
        first, last = np.searchsorted(rows, [num_seen, num_seen + table.num_rows])
        if last > first:
            yield table.take(pa.array(rows[first:last] - num_seen))
        num_seen += table.num_rows
