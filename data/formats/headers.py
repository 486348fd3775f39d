"""Headers of CSV and TSV: a line that names the separator, names of columns, a wrong separator."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.errors import RowError
from data.formats.base import TEXT, no_column, readable

SEPARATOR_LINE = re.compile(rb'"?sep=([!-~\t ])"?(?:\r\n|\n|\r)', re.IGNORECASE)
SEPARATORS = (",", ";", "\t", "|")
BYTE_ORDER_MARK = "\ufeff"


def with_separator(
    blocks: Iterable[bytes], options: Mapping[str, Any], default: str
) -> tuple[Mapping[str, Any], Iterator[bytes]]:
    """Remove a first line that names the separator, as spreadsheets write it, and use it.

    Raises:
        RowError: If the format names another separator than the file.
    """
    rest = iter(blocks)
    first = next(rest, b"")
    found = SEPARATOR_LINE.match(first)
    if not found:
        return options, chain([first], rest)
    separator = (found[1] or b" ").decode()
    configured = options["separator"]
    if configured not in (separator, default):
        raise RowError(
            f"its first line says that the separator is {separator!r}, "
            f"and separator of its format is {configured!r}"
        )
    return {**options, "separator": separator}, chain([first[found.end() :]], rest)


def separator_hint(names: list[str], separator: str) -> str:
    """Suggest a separator that cuts a header of one column into several."""
    if len(names) > 1:
        return ""
    other = max(
        SEPARATORS, key=lambda sign: names[0].count(sign) if names and sign != separator else 0
    )
    if not names or other == separator or other not in names[0]:
        return ""
    first = readable(names[0].replace("\t", " "))
    return (
        f"its first line, {first!r}, is one column and holds {other!r}: "
        f"set format.separator: {json.dumps(other)}"
    )


def true_where(column: pa.Array) -> NDArray[np.bool_]:
    """Convert a column of booleans to NumPy; null counts as false."""
    return np.asarray(pc.fill_null(column, False).to_numpy(zero_copy_only=False), dtype=bool)


def is_name(column: pa.Array, name: str) -> NDArray[np.bool_]:
    """Mark where a column holds its own name, also behind a byte order mark and a quote."""
    forms = [name, f"{BYTE_ORDER_MARK}{name}", f'{BYTE_ORDER_MARK}"{name}"']
    return true_where(pc.is_in(column, pa.array(forms, TEXT)))


def column_index(names: list[str], column: str | int, separator: str) -> int:
    """Find the index of a column by its name or number.

    Raises:
        RowError: If there is none, or two.
    """
    if isinstance(column, int):
        if column < len(names):
            return column
        hint = separator_hint(names, separator)
        raise RowError(
            f"has {len(names)} columns, column {column} (from 0) was requested"
            f"{': ' + hint if hint else ''}"
        )
    if names.count(column) > 1:
        raise RowError(f"has {names.count(column)} columns {column!r}, expected one")
    if column in names:
        return names.index(column)
    raise no_column(column, names, separator_hint(names, separator))
