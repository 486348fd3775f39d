"""Files of hashes that do not fit into memory: compared and joined range by range."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from data.arrays import GrowingArray
from data.rows.hash_set import Hashes

RANGE_ROWS = 1 << 21  # hashes of a file in memory at once
READ_ROWS = 1 << 18


def num_missing(path: Path, other: Path | None) -> int:
    """Count the hashes of a file that another file lacks; all, if there is no other."""
    if other is None:
        return _num_rows(path)
    num = 0
    for ours, theirs in _ranges([path, other]):
        num += len(ours)
        if len(theirs):
            index = np.minimum(np.searchsorted(theirs, ours), len(theirs) - 1)
            num -= int((theirs[index] == ours).sum())
    return num


def num_repeated(path: Path) -> int:
    """Count the repeated hashes of a file, without the first of each."""
    return sum(len(found) - len(np.unique(found)) for (found,) in _ranges([path]))


def num_changed(first: tuple[Path, Path], second: tuple[Path, Path]) -> tuple[int, int]:
    """Compare the values of equal keys in two snapshots.

    Args:
        first: Files of keys and of values, both in the same order.
        second: The same of another snapshot.

    Returns:
        The number of keys with another value, and of keys in both; a key that
        a file has twice does not count.
    """
    num_other = num_common = 0
    rows = max(_num_rows(first[0]), _num_rows(second[0]))
    for low, high in _edges(rows):
        our_keys, our_values = _pairs_within(first, low, high - 1)
        their_keys, their_values = _pairs_within(second, low, high - 1)
        common, ours, theirs = np.intersect1d(
            our_keys, their_keys, assume_unique=True, return_indices=True
        )
        num_common += len(common)
        num_other += int((our_values[ours] != their_values[theirs]).sum())
    return num_other, num_common


def _pairs_within(files: tuple[Path, Path], low: int, high: int) -> tuple[Hashes, Hashes]:
    """Read the keys from ``low`` to ``high`` that a file has exactly once, with their values."""
    keys = [np.zeros(0, np.uint64)]
    values = [np.zeros(0, np.uint64)]
    with files[0].open("rb") as of_keys, files[1].open("rb") as of_values:
        _read_header(of_keys)
        _read_header(of_values)
        while len(rows := np.fromfile(of_keys, np.uint64, READ_ROWS)):
            beside = np.fromfile(of_values, np.uint64, READ_ROWS)
            is_within = (rows >= np.uint64(low)) & (rows <= np.uint64(high))
            keys.append(rows[is_within])
            values.append(beside[is_within])
    found, first, num = np.unique(np.concatenate(keys), return_index=True, return_counts=True)
    return found[num == 1], np.concatenate(values)[first[num == 1]]


def write_distinct(path: Path, parts: Sequence[Path]) -> None:
    """Write the distinct hashes of some files into one, ascending."""
    file = GrowingArray(path, np.uint64)
    for found in _ranges(parts):
        file.append(np.unique(np.concatenate(found)))
    file.close()


def _ranges(paths: Sequence[Path]) -> Iterator[list[Hashes]]:
    """Yield the sorted hashes of each file, range by range."""
    for low, high in _edges(max(map(_num_rows, paths))):
        yield [np.sort(_within(path, low, high - 1)) for path in paths]


def _edges(num_rows: int) -> Iterator[tuple[int, int]]:
    """Cut the hashes of ``num_rows`` rows into ranges of about ``RANGE_ROWS``, end excluded."""
    num = num_rows // RANGE_ROWS + 1
    edges = [number * 2**64 // num for number in range(num)]
    yield from zip(edges, [*edges[1:], 2**64], strict=True)


def _within(path: Path, low: int, high: int) -> Hashes:
    """Read the hashes of a file from ``low`` to ``high``."""
    found = [np.zeros(0, np.uint64)]
    with path.open("rb") as file:
        _read_header(file)
        while len(rows := np.fromfile(file, np.uint64, READ_ROWS)):
            found.append(rows[(rows >= np.uint64(low)) & (rows <= np.uint64(high))])
    return np.concatenate(found)


def _num_rows(path: Path) -> int:
    with path.open("rb") as file:
        return _read_header(file)


def _read_header(file: BinaryIO) -> int:
    """Read the header of a ``.npy`` file, and return the number of its values."""
    npy.read_magic(file)
    (num,), _, _ = npy.read_array_header_1_0(file)
    return int(num)
