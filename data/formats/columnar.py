"""Typed tables, from JSON, Parquet, SQL or a hub, to tables as formats yield them."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from data.errors import RowError
from data.formats.base import LISTS, TEXT, TOKENS, Fault, as_table, no_column
from data.formats.encoding import marked, shown
from data.text.numbers import NUMBERS

# Inputs and outputs of a model: a number in them is a mistake; in labels and keys it is a name.
PROSE = ("text", "source", "target")
EXPECTED = {
    "tokens": "a list of texts",
    "tags": "a list of texts or whole numbers",
    **dict.fromkeys(PROSE, "text"),
    **dict.fromkeys(NUMBERS, "a number"),
}
EXPECTED_NAME = "text or a whole number"
# Up to here floats represent every whole number exactly.
LARGEST_WHOLE = 2.0**53
SHOWN_CHARS = 80


def from_columns(table: pa.Table, columns: Mapping[str, str], first_row: int) -> pa.Table:
    """Convert a typed table to one as every format yields it.

    Texts may be of any string or binary type, and dictionaries of them. In
    roles other than text, source and target, whole numbers (floats too, if
    they are whole), booleans, dates and times become texts: ``1``, ``true``.
    A score may be any number.
    Tokens are lists of texts, tags may be lists of whole numbers. Any other
    value is a fault of its row, ``wrong_type``; tokens and tags of different
    length are ``lengths_differ``. Null stays null.

    Args:
        table: Of any types.
        columns: Role to the name of a column of ``table``; dots in an unknown
            name lead into columns of structs.
        first_row: The number of the first row.

    Raises:
        RowError: If there is no such column, with the nearest.
    """
    picked = {role: find_column(table, name) for role, name in columns.items()}
    return from_values(picked, np.arange(first_row, first_row + table.num_rows))


def find_column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """Find a column by its name, or by dots that lead into structs.

    Raises:
        RowError: If there is none, with the nearest, or if there are two.
    """
    if table.column_names.count(name) > 1:
        raise RowError(f"has {table.column_names.count(name)} columns {name!r}, expected one")
    if name in table.column_names:
        return table[table.column_names.index(name)]
    first, *rest = name.split(".")
    if first not in table.column_names:
        raise no_column(name, table.column_names)
    column = table[table.column_names.index(first)]
    for part in rest:
        parts = [field.name for field in column.type] if types.is_struct(column.type) else []
        if part not in parts:
            raise no_column(name, [f"{first}.{known}" for known in parts] or table.column_names)
        column = pc.struct_field(column, part)
        first = f"{first}.{part}"
    return column


def from_values(picked: Mapping[str, pa.ChunkedArray], rows: NDArray[np.int64]) -> pa.Table:
    """Convert typed columns, by role, to a table as every format yields it.

    ``rows`` are the numbers of the rows.
    """
    values = {}
    faults: dict[int, Fault] = {}
    for role, column in picked.items():
        values[role], is_wrong = (
            _as_tokens(column, role) if role in LISTS else _as_text(column, role)
        )
        for index in np.flatnonzero(is_wrong).tolist():
            if index not in faults:
                reason = wrong_type(role, column[index].as_py())
                faults[index] = Fault("wrong_type", reason, _raw(picked, index))
    if "tokens" in values and "tags" in values:
        tokens, tags = (
            pc.list_value_length(values[role]).to_numpy(zero_copy_only=False) for role in LISTS
        )
        differ = (tokens != tags) & ~np.isnan(tokens) & ~np.isnan(tags)
        for index in np.flatnonzero(differ).tolist():
            reason = lengths_differ(int(tokens[index]), int(tags[index]))
            faults.setdefault(index, Fault("lengths_differ", reason, _raw(picked, index)))
    return as_table(values, rows, faults)


def wrong_type(role: str, value: Any) -> str:
    """Write the reason for a value whose type its role cannot have."""
    expected = EXPECTED.get(role, EXPECTED_NAME)
    return f"{role}: expected {expected}, got {brief(value)}{_cut_first(role, value)}"


def _cut_first(role: str, value: Any) -> str:
    """Advise on raw texts, or spans of characters, in place of tokens and tags."""
    is_spans = (
        role == "tags"
        and isinstance(value, list)
        and any(isinstance(item, list | dict) for item in value)
    )
    if is_spans or (role in LISTS and isinstance(value, str)):
        return (
            ". Texts and spans of characters must be cut into tokens with one tag each "
            "before they are read: see docs/data.md"
        )
    return ""


def lengths_differ(num_tokens: int, num_tags: int) -> str:
    """Write the reason for a sentence with another number of tags than of tokens."""
    return f"{num_tokens:,} tokens and {num_tags:,} tags"


def brief(value: Any) -> str:
    """Write a value for a message, shortened."""
    found = json.dumps(value, ensure_ascii=False, default=str)
    text = shown(found.encode(errors="backslashreplace").decode())
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "..."


def _raw(picked: Mapping[str, pa.ChunkedArray], index: int) -> str:
    row = {role: column[index].as_py() for role, column in picked.items()}
    return json.dumps(row, ensure_ascii=False, default=str)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Remove types of storage: dictionaries and extensions."""
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.cast(column.type.storage_type)
    return column.cast(column.type.value_type) if types.is_dictionary(column.type) else column


def _is_any(type_: pa.DataType, *tests: Callable[[pa.DataType], bool]) -> bool:
    return any(test(type_) for test in tests)


IS_STRING = (types.is_string, types.is_large_string, types.is_string_view)
IS_BINARY = (
    types.is_binary,
    types.is_large_binary,
    types.is_binary_view,
    types.is_fixed_size_binary,
)
IS_NAME = (types.is_integer, types.is_boolean, types.is_date, types.is_timestamp, types.is_time)


def _as_text(column: pa.ChunkedArray, role: str) -> tuple[pa.ChunkedArray, NDArray[np.bool_]]:
    """Write values as texts, with a mask of those that cannot be text."""
    column = _plain(column)
    type_ = column.type
    is_fine = np.zeros(len(column), dtype=bool)
    if _is_any(type_, *IS_STRING, types.is_null):
        return column.cast(TEXT), is_fine
    if _is_any(type_, *IS_BINARY):
        return _decoded(column), is_fine
    if role in NUMBERS:
        if _is_any(type_, types.is_integer, types.is_floating, types.is_decimal):
            return column.cast(TEXT), is_fine
    elif role not in PROSE:
        if _is_any(type_, *IS_NAME):
            return column.cast(TEXT), is_fine
        if types.is_floating(type_):
            return _whole(column.cast(pa.float64()))
        if types.is_decimal(type_):
            return _whole_decimal(column)
    return pa.chunked_array([pa.nulls(len(column), TEXT)]), _mask(pc.is_valid(column))


def _mask(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=bool)


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Decode bytes as UTF-8, which some writers of Parquet store, with marks for invalid ones."""
    try:
        return column.cast(pa.binary()).cast(TEXT)
    except pa.ArrowInvalid:
        texts = [None if value is None else marked(value) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, TEXT)])


def _whole(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, NDArray[np.bool_]]:
    is_whole = pc.and_(
        pc.equal(pc.floor(column), column), pc.less_equal(pc.abs(column), LARGEST_WHOLE)
    )
    whole = pc.if_else(is_whole, column, pa.scalar(None, pa.float64())).cast(pa.int64()).cast(TEXT)
    return whole, _mask(pc.fill_null(pc.invert(is_whole), False))


def _whole_decimal(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, NDArray[np.bool_]]:
    text = pc.replace_substring_regex(column.cast(TEXT), r"\.0+$", "")
    is_whole = pc.match_substring_regex(text, r"^-?\d+$")
    is_wrong = pc.fill_null(pc.invert(is_whole), False)
    return pc.if_else(is_whole, text, pa.scalar(None, TEXT)), _mask(is_wrong)


def _as_tokens(column: pa.ChunkedArray, role: str) -> tuple[Any, NDArray[np.bool_]]:
    """Write values as lists of texts, with a mask of those that cannot be."""
    column = _plain(column)
    is_wrong = np.zeros(len(column), dtype=bool)
    if not hasattr(column.type, "value_type"):  # not a list of any kind
        return pa.nulls(len(column), TOKENS), _mask(pc.is_valid(column))
    lists = column.cast(pa.list_(column.type.value_type)).combine_chunks()
    # A copy, because the values of a slice go beyond its first and last row.
    lists = pa.concat_arrays([lists, lists[:0]])
    values = _plain(pa.chunked_array([lists.values]))
    is_text = _is_any(values.type, *IS_STRING, *IS_BINARY, types.is_null)
    if not is_text and not (role == "tags" and types.is_integer(values.type)):
        is_wrong = _mask(pc.greater(pc.fill_null(pc.list_value_length(lists), 0), 0))
        return pa.nulls(len(column), TOKENS), is_wrong
    texts = _as_text(values, "tag")[0].combine_chunks()
    if texts.null_count:
        holes = np.flatnonzero(_mask(pc.is_null(texts)))
        is_wrong[np.searchsorted(lists.offsets.to_numpy(), holes, side="right") - 1] = True
        is_wrong &= _mask(pc.is_valid(lists))
    return pa.ListArray.from_arrays(lists.offsets, texts, mask=pc.is_null(lists)), is_wrong
