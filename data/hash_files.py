"""Files of hashes too many to hold: compared and joined range by range."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from data.columns import GrowingArray
from data.seen import Hashes

RANGE_ROWS = 1 << 21  # hashes of a file that are looked at together
READ_ROWS = 1 << 18


def num_missing(path: Path, other: Path | None) -> int:
    """Count the hashes of a file that do not stand in another one; all, if there is no other."""
    if other is None:
        return _num_rows(path)
    num = 0
    for ours, theirs in _ranges([path, other]):
        places = np.searchsorted(theirs, ours)
        num += len(ours) - int((theirs[np.minimum(places, len(theirs) - 1)] == ours).sum()) if len(theirs) else len(ours)
    return num


def num_repeated(path: Path) -> int:
    """Count the hashes of a file that stand in it before."""
    return sum(len(found) - len(np.unique(found)) for (found,) in _ranges([path]))


def write_distinct(path: Path, parts: Sequence[Path]) -> None:
    """Write all hashes of some files into one, ascending and each once."""
    file = GrowingArray(path, np.uint64)
    for found in _ranges(parts):
        file.append(np.unique(np.concatenate(found)))
    file.close()


def _ranges(paths: Sequence[Path]) -> Iterator[list[Hashes]]:
    """The hashes of each file, sorted, a range after the other."""
    num = max(map(_num_rows, paths)) // RANGE_ROWS + 1
    edges = [number * 2**64 // num for number in range(num)]
    for low, high in zip(edges, [*edges[1:], 2**64], strict=True):
        yield [np.sort(_within(path, low, high - 1)) for path in paths]


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
    """Read the beginning of a ``.npy`` file up to its values, and say how many they are."""
    npy.read_magic(file)
    (num,), _, _ = npy.read_array_header_1_0(file)
    return int(num)
