"""Files to rows: each format reads bytes and yields tables.

A table has the columns of its dataset by their roles, as strings (``tokens``
and ``tags`` as lists of strings), and beside them ``row``, where the row
stands in its file (counted from 1, in rows for tables and in lines for
CoNLL), ``fault``, why the format could not read it (null if it could), and
``raw``, as it stood there, for the rows with a fault.
"""

import codecs
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from data.errors import RowError

# Stands for bytes that are not UTF-8: a noncharacter, which no real text holds.
BROKEN = "\U0010ffff"
codecs.register_error("refrain.mark", lambda error: (BROKEN, getattr(error, "end")))  # noqa: B009

TEXT, TOKENS = pa.string(), pa.list_(pa.string())
BLOCK_BYTES = 1 << 22
Columns = Mapping[str, str | int]
Format = Callable[[IO[bytes], Columns, Mapping[str, Any]], Iterator[pa.Table]]


class _Utf8:
    """A stream of bytes read as UTF-8: no byte order mark, and ``BROKEN`` for what is not UTF-8."""

    closed = False  # asked for by pyarrow

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.ahead, self.is_over = stream, b"", False
        self.decoder = codecs.getincrementaldecoder("utf-8-sig")("refrain.mark")

    def read(self, size: int) -> bytes:
        if self.ahead:
            ahead, self.ahead = self.ahead, b""
            return ahead
        block = b""
        while len(block) < size and not self.is_over:
            found = self.stream.read(size)
            self.is_over = not found
            block += self.decoder.decode(found, final=self.is_over).encode()  # the last character may be cut short
            block += b"\n" * self.is_over  # pyarrow takes a file of one line without an end for an empty one
        return block

    def peek(self, size: int) -> bytes:
        """Read what the next ``read`` will read again."""
        self.ahead = self.read(size)
        return self.ahead


def read_delimited(stream: IO[bytes], columns: Columns, options: Mapping[str, Any]) -> Iterator[pa.Table]:
    """Read CSV or TSV in blocks of constant size.

    Options:
        separator: One character.
        header: Whether the first row names the columns (else they are numbered).
        quote: Whether double quotes may enclose a field.

    Raises:
        RowError: If a column is not in the file or twice in it, if the file
            is empty, or if one of its rows is longer than a block.
    """
    wrong: list[pa.csv.InvalidRow] = []
    text = _Utf8(stream)
    position = 1 + bool(options["header"])
    try:
        names = _open(pa.BufferReader(text.peek(BLOCK_BYTES)), options, []).schema.names
        places = [_place(names, column) for column in columns.values()]
        for batch in _open(pa.PythonFile(text, mode="r"), options, wrong, names=names):
            table = pa.Table.from_batches([batch])
            rows = _row_numbers(position, table.num_rows, [row.number for row in wrong])
            position = int(rows[-1]) + 1 if len(rows) else position
            yield pa.table(
                {role: table.column(place).cast(TEXT) for role, place in zip(columns, places, strict=True)}
                | {"row": rows, "fault": pa.nulls(len(rows), TEXT), "raw": pa.nulls(len(rows), TEXT)}
            )
    except pa.ArrowInvalid as error:
        raise RowError(f"cannot be read as {options['kind']}: {str(error).splitlines()[0]}") from error
    if wrong:
        yield pa.table(
            {role: pa.nulls(len(wrong), TEXT) for role in columns}
            | {
                "row": [row.number for row in wrong],
                "fault": [f"{row.actual_columns} fields, expected {row.expected_columns}" for row in wrong],
                "raw": [row.text for row in wrong],
            }
        )


def _open(
    file: pa.NativeFile, options: Mapping[str, Any], wrong: list[pa.csv.InvalidRow], *, names: Sequence[str] = ()
) -> pa.csv.CSVStreamingReader:
    """Open a table of texts; ``names`` are its columns, whose types would be guessed without."""

    def skip(row: pa.csv.InvalidRow) -> str:
        wrong.append(row)
        return "skip"

    return pa.csv.open_csv(
        file,
        read_options=pa.csv.ReadOptions(
            use_threads=False, autogenerate_column_names=not options["header"], block_size=BLOCK_BYTES
        ),
        parse_options=pa.csv.ParseOptions(
            delimiter=options["separator"],
            quote_char='"' if options["quote"] else False,
            newlines_in_values=options["quote"],
            invalid_row_handler=skip,
        ),
        convert_options=pa.csv.ConvertOptions(column_types=dict.fromkeys(names, TEXT), strings_can_be_null=False),
    )


def _place(names: list[str], column: str | int) -> int:
    if isinstance(column, int):
        if column < len(names):
            return column
        raise RowError(f"has {len(names)} columns, column {column} (from 0) was asked for")
    if names.count(column) > 1:
        raise RowError(f"has {names.count(column)} columns {column!r}, expected one")
    if column in names:
        return names.index(column)
    raise RowError(f"has no column {column!r}: its columns are {', '.join(names)}")


def _row_numbers(start: int, num: int, skipped: list[int]) -> np.ndarray[Any, Any]:
    """Number ``num`` rows from ``start``, leaving out those the parser skipped."""
    numbers = np.arange(start, start + num + len(skipped))
    return np.asarray(numbers[~np.isin(numbers, skipped)][:num], dtype=np.int64)


def read_conll(stream: IO[bytes], columns: Columns, options: Mapping[str, Any]) -> Iterator[pa.Table]:
    """Read one token a line, a blank line after each sentence; tags become BIO.

    Options:
        separator: Between the columns of a line.
        scheme: ``BIO`` or ``BMES``.
    """
    text = stream.read().decode("utf-8-sig", errors="refrain.mark")
    lines = pc.utf8_rtrim(pa.array(text.split("\n")), "\r")
    is_token = pc.not_equal(pc.utf8_trim_whitespace(lines), "").to_numpy(zero_copy_only=False)
    number = np.flatnonzero(is_token)  # line of each token, from 0
    if not len(number):
        return
    starts = np.flatnonzero(np.diff(number, prepend=-2) > 1)  # a gap starts a sentence
    offsets = pa.array(np.append(starts, len(number)).astype(np.int32))
    lines = lines.filter(pa.array(is_token))
    fields = pc.split_pattern(lines, options["separator"])
    width = pc.list_value_length(fields).to_numpy()
    wanted = {role: int(column) for role, column in columns.items()}
    first = fields.offsets.to_numpy()[:-1]
    values = {role: fields.values.take(pa.array(first + np.minimum(column, width - 1))) for role, column in wanted.items()}
    values["tags"] = to_bio(values["tags"], options["scheme"])
    is_short = width <= max(wanted.values())
    fault = np.full(len(starts), None, dtype=object)
    sentence = np.searchsorted(starts, np.flatnonzero(is_short), side="right") - 1
    for place, line in zip(sentence[::-1], number[is_short][::-1], strict=True):
        fault[place] = f"line {line + 1} has too few columns, expected at least {max(wanted.values()) + 1}"
    raw: list[str | None] = [None] * len(starts)
    for place in np.unique(sentence).tolist():
        raw[place] = "\n".join(lines[offsets[place].as_py() : offsets[place + 1].as_py()].to_pylist())
    yield pa.table(
        {role: pa.ListArray.from_arrays(offsets, column) for role, column in values.items()}
        | {
            "row": number[starts] + 1,
            "fault": pa.array(fault, TEXT),
            "raw": pa.array(raw, TEXT),
        }
    )  # fmt: skip


def to_bio(tags: pa.Array, scheme: str) -> pa.Array:
    """Write tags of another scheme as BIO: begin, middle, end and single to begin and inside."""
    if scheme == "BIO":
        return tags
    tags = pc.replace_substring_regex(tags, "^S-", "B-")
    return pc.replace_substring_regex(tags, "^[ME]-", "I-")


@dataclass(frozen=True)
class FormatKind:
    """How a format is read and which options it knows, with their defaults."""

    read: Format
    options: Mapping[str, Any]
    choices: Mapping[str, tuple[str, ...]]
    is_tagged: bool = False  # rows are tokens and tags, not texts


TABLE: dict[str, Any] = {"header": True, "quote": True}
FORMATS = {
    "csv": FormatKind(read_delimited, TABLE | {"separator": ","}, {}),
    "tsv": FormatKind(read_delimited, TABLE | {"separator": "\t"}, {}),
    "conll": FormatKind(read_conll, {"separator": " ", "scheme": "BIO"}, {"scheme": ("BIO", "BMES")}, is_tagged=True),
}
