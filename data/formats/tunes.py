"""Tunes in ABC notation: each begins with its number, ``X:``."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.errors import RowError
from data.formats.abc_notation import faults
from data.formats.base import Columns, FormatKind, as_table
from data.formats.lines import Mask, is_blank, join_lines, line_groups, mask

TUNE = "tune"


def read_abc(
    streams: Sequence[IO[bytes]], columns: Columns, options: Mapping[str, Any]
) -> Iterator[pa.Table]:
    """Read tunes, numbered by the line of their ``X:``.

    A tune ends at the next ``X:``. Its blank lines are left out: real files
    have some inside a tune, where the standard would end it. Lines before the
    first tune are ignored.

    Args:
        streams: One.
        columns: Role to ``tune``, the whole tune, or to the letter of a field,
            such as ``R`` for the rhythm: its first value, or null.
        options: ``encoding``.

    Raises:
        RowError: If a column is neither ``tune`` nor a letter.
    """
    for column in columns.values():
        if column != TUNE and not re.fullmatch("[A-Za-z]", str(column)):
            raise RowError(
                f"has no column {column!r}: expected {TUNE}, or the letter of a field, such as R"
            )
    for first, lines in line_groups(streams[0], options["encoding"], _is_start, "tune"):
        indices = np.flatnonzero(~is_blank(lines) & (np.cumsum(_is_start(lines)) > 0))
        kept = lines.take(pa.array(indices))
        starts = np.flatnonzero(_is_start(kept))
        if len(starts):
            values = {
                role: join_lines(kept, starts)
                if column == TUNE
                else _field(kept, starts, str(column))
                for role, column in columns.items()
            }
            yield as_table(values, indices[starts] + first)


def _is_start(lines: pa.Array) -> Mask:
    return mask(pc.starts_with(lines, "X:"))


def _field(lines: pa.Array, starts: NDArray[np.int64], letter: str) -> pa.Array:
    """Find the first field of a letter in each tune."""
    indices = np.flatnonzero(mask(pc.starts_with(lines, f"{letter}:")))
    tunes = np.searchsorted(starts, indices, side="right") - 1
    distinct, first = np.unique(tunes, return_index=True)
    found = np.full(len(starts), -1)
    found[distinct] = indices[first]
    values = lines.take(pa.array(found, mask=found < 0))
    return pc.utf8_trim_whitespace(pc.utf8_slice_codeunits(values, 2))


FORMATS = {
    "abc": FormatKind(
        read_abc,
        {"encoding": "utf-8"},
        {},
        columns="names",
        shapes=(("text",), ("text", "label")),
        faults=faults,
    )
}
