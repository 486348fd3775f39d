"""Ragged arrays: rows of ids end to end with their offsets, in memory or in growing files."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy
from numpy.typing import NDArray

# Ids (or numbers) end to end, and where each row starts.
Encoded = tuple[NDArray[Any], NDArray[np.int64]]


def ragged(rows: Sequence[Sequence[int]]) -> Encoded:
    """Join lists of ids end to end, with the offsets of the rows."""
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, rows), np.int64, len(rows)), out=offsets[1:])
    return np.fromiter(chain.from_iterable(rows), np.int32, int(offsets[-1])), offsets


def cut(encoded: Encoded, max_length: int) -> Encoded:
    """Keep the first ``max_length`` ids of each row."""
    ids, offsets = encoded
    lengths = np.diff(offsets)
    if lengths.max(initial=0) <= max_length:
        return encoded
    step = np.arange(len(ids)) - np.repeat(offsets[:-1], lengths)
    return ids[step < max_length], np.concatenate([[0], np.cumsum(np.minimum(lengths, max_length))])


def kept(encoded: Encoded, keep: NDArray[np.bool_]) -> Encoded:
    """Keep the rows of a mask."""
    if keep.all():
        return encoded
    ids, offsets = encoded
    lengths = np.diff(offsets)
    return ids[np.repeat(keep, lengths)], np.concatenate([[0], np.cumsum(lengths[keep])])


@dataclass(frozen=True)
class ColumnsOf:
    """Some columns of tables that can be read more than once."""

    tables: Iterable[pa.Table]
    names: tuple[str, ...]

    def __iter__(self) -> Iterator[pa.ChunkedArray]:
        for table in self.tables:
            yield from (table[name] for name in self.names)


class GrowingArray:
    """A ``.npy`` file of one dimension that is written in parts and never held in memory."""

    def __init__(self, path: Path, dtype: type[np.generic]) -> None:
        self.dtype = np.dtype(dtype)
        self.length = 0
        self.file: BinaryIO = path.open("wb")
        self._write_header()

    def _write_header(self) -> None:
        # NumPy leaves room in a header for its first dimension to grow, so the final header fits
        # into the space of the first one.
        header: dict[str, Any] = {
            "descr": npy.dtype_to_descr(self.dtype),
            "fortran_order": False,
            "shape": (self.length,),
        }
        npy.write_array_header_1_0(self.file, header)

    def append(self, values: NDArray[Any]) -> None:
        """Append values."""
        self.file.write(np.ascontiguousarray(values, dtype=self.dtype).data)
        self.length += len(values)

    def close(self) -> None:
        """Write the final length into the header, and close the file."""
        self.file.seek(0)
        self._write_header()
        self.file.close()


class RaggedFile:
    """A ragged column on disk, ``name.npy`` and ``name.offsets.npy``, that rows are appended to."""

    def __init__(self, folder: Path, name: str, dtype: type[np.generic] = np.int32) -> None:
        self.ids = GrowingArray(folder / f"{name}.npy", dtype)
        self.offsets = GrowingArray(folder / f"{name}.offsets.npy", np.int64)
        self.offsets.append(np.zeros(1, dtype=np.int64))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ids.close()
        self.offsets.close()

    def append(self, encoded: Encoded) -> None:
        """Append rows."""
        ids, offsets = encoded
        self.offsets.append(offsets[1:] + self.ids.length)
        self.ids.append(ids)
