"""Lines of text in blocks, for formats that consist of lines."""

from collections.abc import Callable, Iterable, Iterator
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.errors import RowError
from data.formats.encoding import utf8_blocks
from data.sources.limits import ROW, longest_row

# A line, sentence or tune must fit into memory; a longer one means a file without line ends.
LONGEST_BYTES = 1 << 28
Mask = NDArray[np.bool_]


def line_blocks(stream: IO[bytes], encoding: str) -> Iterator[bytes]:
    r"""Read a stream as UTF-8 in blocks of whole lines, each ended by a lone ``\n``.

    Raises:
        RowError: If a line is longer than ``LONGEST_BYTES``.
    """
    parts: list[bytes] = []  # of a line that no block has ended yet
    num_bytes = 0
    for block in utf8_blocks(stream, encoding):
        end = block.rfind(b"\n") + 1
        if end:
            yield _unix(b"".join([*parts, block[:end]]))
            parts = []
            num_bytes = 0
        parts.append(block[end:])
        num_bytes += len(parts[-1])
        _check_length(num_bytes, "a line")
    if num_bytes:
        yield _unix(b"".join([*parts, b"\n"]))


def _unix(block: bytes) -> bytes:
    return block.replace(b"\r\n", b"\n") if b"\r" in block else block


def _check_length(num_bytes: int, what: str) -> None:
    longest = min(LONGEST_BYTES, longest_row())
    if num_bytes > longest:
        raise RowError(f"{what} is longer than {longest:,} bytes ({ROW})")


def as_lines(block: bytes) -> pa.StringArray:
    """Cut a block of ``line_blocks`` into its lines, without their ends."""
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
    offsets = np.zeros(len(ends) + 1, np.int32)
    offsets[1:] = ends - np.arange(len(ends))  # without the line ends themselves
    content = block.replace(b"\n", b"")
    return pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(content))


def is_blank(lines: pa.Array) -> Mask:
    """Mark the lines that hold only space."""
    return mask(pc.equal(pc.utf8_trim_whitespace(lines), ""))


def mask(column: pa.Array) -> Mask:
    """Convert a column of booleans without nulls to NumPy."""
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=bool)


def line_groups(
    stream: IO[bytes], encoding: str, may_start: Callable[[pa.Array], Mask], what: str
) -> Iterator[tuple[int, pa.Array]]:
    """Read lines in blocks that do not cut a group of lines, such as a sentence.

    Args:
        stream: Of bytes.
        encoding: Of the stream.
        may_start: Marks the lines where a group, and so a block, may start.
        what: Name of a group, for a message.

    Yields:
        The number of the block's first line, from 1, and its lines.

    Raises:
        RowError: If a group is longer than ``LONGEST_BYTES``.
    """
    parts: list[pa.Array] = []  # of the group that has not ended yet
    first = 1
    for block in line_blocks(stream, encoding):
        lines = as_lines(block)
        starts = np.flatnonzero(may_start(lines))
        if len(starts):
            whole = pa.concat_arrays([*parts, lines[: starts[-1]]])
            yield first, whole
            first += len(whole)
            parts = []
            lines = lines[starts[-1] :]
        parts.append(lines)
        _check_length(sum(part.nbytes for part in parts), f"the {what} at line {first}")
    if parts:
        yield first, pa.concat_arrays(parts)


def join_lines(lines: pa.Array, starts: Iterable[int]) -> pa.Array:
    """Join lines to texts; each begins at one of ``starts`` and ends before the next."""
    offsets = pa.array([*starts, len(lines)], pa.int32())
    return pc.binary_join(pa.ListArray.from_arrays(offsets, lines), "\n")
