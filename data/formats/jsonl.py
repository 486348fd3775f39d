"""JSON Lines: one object a line."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
from numpy.typing import NDArray

from data.formats.base import LISTS, TEXT, TOKENS, Columns, Fault, FormatKind, as_table, type_of
from data.formats.columnar import (
    LARGEST_WHOLE,
    PROSE,
    brief,
    find_column,
    from_values,
    lengths_differ,
    wrong_type,
)
from data.formats.json_array import object_lines
from data.formats.lines import line_blocks, mask
from data.text.numbers import NUMBERS

CHUNK_BYTES = 1 << 20  # that one thread parses
SMALLEST_BYTES = 1 << 17  # smaller blocks are read line by line if their lines differ
NUM_PARTS = 8  # of a block whose lines differ
NAME_TYPES = {bool: pa.bool_(), int: pa.int64()}  # of labels and keys; TEXT else
Names = Mapping[str, str]


def read_jsonl(
    streams: Sequence[IO[bytes]], columns: Columns, options: Mapping[str, Any]
) -> Iterator[pa.Table]:
    """Read objects, numbered by lines; another line is a fault, ``not_json``.

    A file that is one array of objects is read as one object a line.

    Values are those of ``columnar.from_columns``; a missing key is null.
    Arrow parses a block as long as each key has values of one type; other
    blocks are read line by line, several times as slow.

    Args:
        streams: One.
        columns: Role to a key; dots in an unknown key lead into objects.
        options: ``encoding``.
    """
    names = {role: str(column) for role, column in columns.items()}
    first = 1
    for block in object_lines(line_blocks(streams[0], options["encoding"])):
        lines = _Lines(block, first)
        tables = list(_read_block(lines, names, is_threaded=True))
        yield pa.concat_tables(tables)
        first += len(lines.ends)


class _Lines:
    """A block of lines, with the start and the end of each."""

    def __init__(self, block: bytes, first: int) -> None:
        self.block = block
        self.first = first
        self.bytes = np.frombuffer(block, np.uint8)
        self.ends = np.flatnonzero(self.bytes == ord("\n"))
        self.starts = np.append(0, self.ends[:-1] + 1)
        self.filled = np.flatnonzero(self.ends > self.starts)  # indices of lines that are not empty
        self.rows = self.filled + first

    def line(self, index: int) -> bytes:
        """Return a line without its end."""
        return self.block[self.starts[index] : self.ends[index]]

    def are_objects(self) -> bool:
        """Whether each line begins and ends like an object.

        Then, if all parse, no object spans lines and no line has two.
        """
        starts = self.starts[self.filled]
        ends = self.ends[self.filled] - 1
        return bool((self.bytes[starts] == ord("{")).all() and (self.bytes[ends] == ord("}")).all())

    def parts(self) -> Iterator["_Lines"]:
        """Cut into smaller blocks; a long line is a block by itself."""
        step = len(self.block) // NUM_PARTS
        start = index = 0
        while start < len(self.block):
            at = self.block.rfind(b"\n", start, start + step)
            stop = (at if at >= 0 else self.block.index(b"\n", start)) + 1
            part = _Lines(self.block[start:stop], self.first + index)
            yield part
            start = stop
            index += len(part.ends)


def _read_block(lines: _Lines, names: Names, *, is_threaded: bool = False) -> Iterator[pa.Table]:
    """Parse a block at once, or else in parts; only small parts are read line by line."""
    table = _read_at_once(lines, names, is_threaded=is_threaded)
    if table is not None:
        yield table
    elif len(lines.block) <= SMALLEST_BYTES or len(lines.ends) == 1:
        yield _read_slowly(lines, lines.filled, names)
    else:
        for part in lines.parts():
            yield from _read_block(part, names)


def _read_at_once(lines: _Lines, names: Names, *, is_threaded: bool = False) -> pa.Table | None:
    """Parse with Arrow; None if the result could differ from that of reading line by line."""
    if not len(lines.filled) or not lines.are_objects():  # Arrow 25 does not survive a lone null
        return None
    schema = _guess_schema(lines, names)
    if schema is None:
        return None
    try:
        parsed = pa.json.read_json(
            pa.BufferReader(lines.block),
            read_options=pa.json.ReadOptions(
                use_threads=is_threaded,
                block_size=CHUNK_BYTES if is_threaded else len(lines.block) + 1,
            ),
            parse_options=pa.json.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="ignore"
            ),
        )
    except pa.ArrowInvalid:
        return None
    if parsed.num_rows != len(lines.filled):
        return None
    table = from_values(
        {role: find_column(parsed, name) for role, name in names.items()}, lines.rows
    )
    return _with_nulls_read_again(table, lines, names)


def _with_nulls_read_again(table: pa.Table, lines: _Lines, names: Names) -> pa.Table:
    """Read the lines with a null again, because Arrow does not find keys with escapes."""
    if not any(table[role].null_count for role in names):
        return table
    is_null = np.logical_or.reduce([mask(pc.is_null(table[role])) for role in names])
    indices = np.flatnonzero(is_null)
    again = _read_slowly(lines, lines.filled[indices], names)
    order = np.arange(table.num_rows)
    order[indices] = table.num_rows + np.arange(len(indices))
    return pa.concat_tables([table, again]).take(pa.array(order))


def _guess_schema(lines: _Lines, names: Names) -> pa.Schema | None:
    """Guess types by the first line; None if that is not possible."""
    fields: dict[str, Any] = {}
    try:
        first = _read_object(lines.line(lines.filled[0]).decode())
        for role, name in names.items():
            *path, leaf = [name] if name in first else name.split(".")
            inner = fields
            for part in path:
                inner = inner.setdefault(part, {})
            type_ = _guess_type(role, _find(first, name))
            if inner.setdefault(leaf, type_) != type_:
                return None
    # AttributeError: a key is an object for one role, a value for another.
    except (ValueError, AttributeError):
        return None
    return pa.schema(_fields(fields))


def _guess_type(role: str, value: Any) -> pa.DataType:
    if role in LISTS:
        is_numbers = role == "tags" and isinstance(value, list) and value and type(value[0]) is int
        return pa.list_(pa.int64()) if is_numbers else TOKENS
    if role in NUMBERS:
        return pa.float64() if type(value) in (int, float) else TEXT
    return TEXT if role in PROSE else NAME_TYPES.get(type(value), TEXT)


def _fields(types: Mapping[str, Any]) -> list[pa.Field]:
    return [
        pa.field(name, pa.struct(_fields(type_)) if isinstance(type_, dict) else type_)
        for name, type_ in types.items()
    ]


def _read_slowly(lines: _Lines, indices: NDArray[np.int64], names: Names) -> pa.Table:
    """Read some lines one by one, without blank ones."""
    found: list[dict[str, Any] | Fault] = []
    rows: list[int] = []
    for index in indices.tolist():
        line = lines.line(index).decode()
        if line.strip():
            found.append(_read_line(line, names))
            rows.append(lines.first + index)
    faults = {i: row for i, row in enumerate(found) if isinstance(row, Fault)}
    values = {
        role: [None if isinstance(row, Fault) else row[role] for row in found] for role in names
    }
    return as_table(
        {role: pa.array(column, type_of(role)) for role, column in values.items()}, rows, faults
    )


def _read_line(line: str, names: Names) -> dict[str, Any] | Fault:
    try:
        found = _read_object(line)
    except ValueError as error:
        return Fault("not_json", str(error), line)
    try:
        row = {role: _convert(role, _find(found, name)) for role, name in names.items()}
    except ValueError as error:
        return Fault("wrong_type", str(error), line)
    if (
        row.get("tokens") is not None
        and row.get("tags") is not None
        and len(row["tokens"]) != len(row["tags"])
    ):
        return Fault("lengths_differ", lengths_differ(len(row["tokens"]), len(row["tags"])), line)
    return row


def _read_object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at character {error.pos + 1}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"expected an object, got {brief(found)}")
    return found


def _find(row: Mapping[str, Any], name: str) -> Any:
    """Find a value by its key, or by dots that lead into objects; None if it is missing."""
    if name in row or "." not in name:
        return row.get(name)
    value: Any = row
    for part in name.split("."):
        if value is None:
            return None
        if not isinstance(value, dict):
            raise ValueError(f"{name}: expected an object, got {brief(value)}")
        value = value.get(part)
    return value


def _convert(role: str, value: Any) -> Any:
    """Write a value as a role's text, or its list of texts."""
    if value is None:
        return None
    if role in LISTS:
        kinds = (str, int) if role == "tags" else (str,)
        if isinstance(value, list) and all(type(item) in kinds for item in value):
            return [_whole_text(role, str(item)) for item in value]
    elif isinstance(value, str):
        return _whole_text(role, value)
    elif role in NUMBERS:
        if type(value) in (int, float):
            return str(value)
    elif role not in PROSE:
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, int) or (
            isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST_WHOLE
        ):
            return str(int(value))
    raise ValueError(wrong_type(role, value))


def _whole_text(role: str, text: str) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError(
                f"{role}: expected text, got half of a surrogate pair in {brief(text)}"
            ) from None
    return text


FORMATS = {
    "jsonl": FormatKind(
        read_jsonl,
        {"encoding": "utf-8"},
        {},
        columns="names",
        shapes=(
            ("text", "label"),
            ("text", "score"),
            ("tokens", "tags"),
            ("source", "target"),
            ("text",),
        ),
        has_open_keys=True,
    )
}
