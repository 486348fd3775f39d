"""Files to rows: each format reads bytes and yields tables.

A table has the columns of its dataset by their roles, as strings (``tokens``
and ``tags`` as lists of strings), and beside them ``row``, where the row
stands in its file (counted from 1, in rows for tables and in lines for
CoNLL), ``fault``, why the format could not read it (null if it could), and
``raw``, as it stood there, for the rows with a fault.
"""

import codecs
from collections.abc import Callable, Iterator, Mapping
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
Columns = Mapping[str, str | int]
Format = Callable[[IO[bytes], Columns, Mapping[str, Any]], Iterator[pa.Table]]


def read_delimited(stream: IO[bytes], columns: Columns, options: Mapping[str, Any]) -> Iterator[pa.Table]:
    """Read CSV or TSV in blocks of constant size.

    Options:
        separator: One character.
        header: Whether the first row names the columns (else they are numbered).
        quote: Whether double quotes may enclose a field.

    Raises:
        RowError: If a column is not in the file, or the file is empty.
    """
    wrong: list[pa.csv.InvalidRow] = []
    text = codecs.EncodedFile(stream, "utf-8", "utf-8-sig", errors="refrain.mark")
    try:
        batches = pa.csv.open_csv(
            pa.PythonFile(text, mode="r"),
            read_options=pa.csv.ReadOptions(
                use_threads=False, autogenerate_column_names=not options["header"], block_size=1 << 22
            ),
            parse_options=pa.csv.ParseOptions(
                delimiter=options["separator"],
                quote_char='"' if options["quote"] else False,
                newlines_in_values=options["quote"],
                invalid_row_handler=lambda row: wrong.append(row) or "skip",
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types=_all_text(columns, options["header"]), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise RowError(f"cannot be read as {options['kind']}: {str(error).splitlines()[0]}") from error
    names = [_column_name(batches.schema.names, column) for column in columns.values()]
    position = 1 + bool(options["header"])
    for batch in batches:
        table = pa.Table.from_batches([batch])
        rows = _row_numbers(position, table.num_rows, [row.number for row in wrong])
        position = int(rows[-1]) + 1 if len(rows) else position
        yield pa.table(
            {role: table[name].cast(TEXT) for role, name in zip(columns, names, strict=True)}
            | {"row": rows, "fault": pa.nulls(len(rows), TEXT), "raw": pa.nulls(len(rows), TEXT)}
        )
    if wrong:
        yield pa.table(
            {role: pa.nulls(len(wrong), TEXT) for role in columns}
            | {
                "row": [row.number for row in wrong],
                "fault": [f"{row.actual_columns} fields, expected {row.expected_columns}" for row in wrong],
                "raw": [row.text for row in wrong],
            }
        )


def _all_text(columns: Columns, has_header: bool) -> dict[str, pa.DataType]:
    return {str(c) if has_header else f"f{c}": TEXT for c in columns.values()}


def _column_name(names: list[str], column: str | int) -> str:
    if isinstance(column, int):
        if column < len(names):
            return names[column]
        raise RowError(f"has {len(names)} columns, column {column} (from 0) was asked for")
    if column in names:
        return column
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
    values = {
        role: fields.values.take(pa.array(first + np.minimum(column, width - 1)))
        for role, column in wanted.items()
    }
    values["tags"] = to_bio(values["tags"], options["scheme"])
    is_short = width <= max(wanted.values())
    fault = np.full(len(starts), None, dtype=object)
    sentence = np.searchsorted(starts, np.flatnonzero(is_short), side="right") - 1
    for place, line in zip(sentence[::-1], number[is_short][::-1], strict=True):
        fault[place] = f"line {line + 1} has too few columns, expected at least {max(wanted.values()) + 1}"
    yield pa.table(
        {role: pa.ListArray.from_arrays(offsets, column) for role, column in values.items()}
        | {
            "row": number[starts] + 1,
            "fault": pa.array(fault, TEXT),
            "raw": pa.array([None if f is None else lines[int(s)].as_py() for f, s in zip(fault, starts, strict=True)], TEXT),
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


TABLE: dict[str, Any] = {"header": True, "quote": True}
FORMATS = {
    "csv": FormatKind(read_delimited, TABLE | {"separator": ","}, {}),
    "tsv": FormatKind(read_delimited, TABLE | {"separator": "\t"}, {}),
    "conll": FormatKind(read_conll, {"separator": " ", "scheme": "BIO"}, {"scheme": ("BIO", "BMES")}),
}
