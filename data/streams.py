"""Tables that come batch by batch: read again and again, some of their rows, work on several at a time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.splits import CONTENT_KEY, hashes, normalised

Item = TypeVar("Item")
Made = TypeVar("Made")
BATCH_ROWS = 8192


@dataclass(frozen=True)
class Stream:
    """Tables that can be read from their start again and again."""

    open: Callable[[], Iterator[pa.Table]]

    def __iter__(self) -> Iterator[pa.Table]:
        return self.open()


def parquet_batches(path: Path, size: int = BATCH_ROWS) -> Iterator[pa.Table]:
    """The rows of a file, ``size`` at a time."""
    with pq.ParquetFile(path, pre_buffer=False) as file:  # buffering ahead holds a whole file's columns in memory
        yield from (pa.Table.from_batches([batch]) for batch in file.iter_batches(size))


def smallest_rows(tables: Iterable[pa.Table], limit: int) -> NDArray[np.int64]:
    """Numbers of the ``limit`` rows with the smallest content hashes, ascending.

    The same rows every time, whatever their order, and no more than ``limit``
    hashes and those of one table are held at once.
    """
    places, rows, seen = np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64), 0
    for table in tables:
        places = np.concatenate([places, hashes(normalised(table[table.column_names[0]]), CONTENT_KEY)])
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


def side_by_side(work: Callable[[Item], Made], items: Iterable[Item], workers: int = 2) -> Iterator[Made]:
    """Do some work on each item in threads, and give the results in the items' order.

    At most ``workers`` items are under way beside the one in use, so memory
    stays what it is. It pays where the work leaves Python's lock: two workers
    encode while one of them turns its last batch into arrays.
    """
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Made]] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
