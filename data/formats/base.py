"""Formats: streams of bytes to tables with one contract."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import IO, Any, Literal, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data import formats
from data.errors import RowError, nearest
from data.formats.encoding import shown
from data.sources.first_bytes import (
    PACKED,
    PeekedStream,
    first_words,
    kind_of_bytes,
    utf16_without_mark,
)
from data.sources.first_bytes import is_text as is_text_head

TEXT = pa.string()
TOKENS = pa.list_(pa.string())
LISTS = ("tokens", "tags")  # roles whose values are lists of texts; all others have texts
# Notes about files: counted in the report, neither rows nor faults.
NOTES = {
    "empty_file": "Empty files, which have no rows",
    "joined_files": "Files with byte order marks in their middle, as where files were joined; "
    "the marks are left out",
    "document_mark": "Marks of documents and comments among tokens, which are left out",
}
# The columns beside the roles: the number of the row, and its fault (null if it has none).
ROW = "row"
KIND = "kind"
REASON = "reason"
RAW = "raw"

NAME_CHARS = 80  # of a column, in a message

Columns = Mapping[str, str | int]
Reader = Callable[[Sequence[IO[bytes]], Columns, Mapping[str, Any]], Iterator[pa.Table]]


@dataclass(frozen=True)
class FormatKind:
    """A format: its reader, its options and its columns in a catalog.

    Attributes:
        read: Yields tables of bounded size with a column for each role, and
            ``row``, ``kind``, ``reason``, ``raw`` as ``as_table`` makes them.
            An invalid row does not stop it: the row has its fault instead.
        options: The options with their defaults.
        choices: The values of options that have few.
        columns: How a catalog names columns: by ``names``; by ``numbers`` from
            0; by numbers or, if the option ``header`` is true, by names
            (``header``); or not at all (``none``).
        shapes: The roles that rows may have.
        num_streams: Files that are read side by side.
        has_open_keys: Whether a missing column is null and no error.
        faults: Lists why a text does not fit the format, where a format can
            check that; raises RowError where its library is missing.
    """

    read: Reader
    options: Mapping[str, Any]
    choices: Mapping[str, tuple[str, ...]]
    columns: Literal["names", "numbers", "header", "none"]
    shapes: tuple[tuple[str, ...], ...]
    num_streams: int = 1
    has_open_keys: bool = False
    faults: Callable[[str], list[str]] | None = None

    def rows(
        self,
        streams: Sequence[IO[bytes]],
        columns: Columns,
        options: Mapping[str, Any],
        *,
        has_compression: bool = False,
    ) -> Iterator[pa.Table]:
        """Check the first bytes, then read the rows; an empty file has no rows in any format.

        A note about a file (``NOTES``) is a row of that kind.

        Args:
            streams: ``num_streams`` of them.
            columns: Role to column.
            options: Of the format, ``kind`` included.
            has_compression: Whether the source has the key ``compression``, for messages.

        Raises:
            RowError: If the bytes are of another kind of file.
        """
        opened = [PeekedStream(stream) for stream in streams]
        if not any(stream.head for stream in opened):
            yield faults_table(columns, {1: Fault("empty_file", "the file is empty", "")})
            return
        is_text = "encoding" in self.options
        last = 1
        for stream in opened:
            check_head(stream.head, options, is_text=is_text, has_compression=has_compression)
        ready = [cast(IO[bytes], stream) if is_text else stream.from_start() for stream in opened]
        for table in self.read(ready, columns, options):
            last = table[ROW][-1].as_py() if table.num_rows else last
            yield table
        num_marks = sum(stream.num_marks for stream in opened)
        if num_marks:
            yield faults_table(
                columns,
                {last: Fault("joined_files", f"{num_marks:,} byte order marks in its middle", "")},
            )


class Fault(NamedTuple):
    """Why a row is invalid: a short name, a sentence for people, and the original content."""

    kind: str
    reason: str
    raw: str


@cache
def all_formats() -> dict[str, FormatKind]:
    """Return every format by its name, from the modules of ``data/formats``."""
    return {
        name: kind for module in _modules() for name, kind in getattr(module, "FORMATS", {}).items()
    }


def format_module(kind: str) -> str:
    """Return the name of the module of a format."""
    return next(module.__name__ for module in _modules() if kind in getattr(module, "FORMATS", {}))


@cache
def _modules() -> list[ModuleType]:
    names = [module.name for module in pkgutil.iter_modules(formats.__path__)]
    return [importlib.import_module(f"{formats.__name__}.{name}") for name in names]


def type_of(role: str) -> pa.DataType:
    """Return the type of a role's column."""
    return TOKENS if role in LISTS else TEXT


def as_table(
    values: Mapping[str, Any],
    rows: NDArray[np.int64] | Sequence[int],
    faults: Mapping[int, Fault] | None = None,
) -> pa.Table:
    """Make a table as every format yields it.

    Args:
        values: A column for each role, of ``type_of(role)``.
        rows: The number of each row in its file, from 1.
        faults: The invalid rows by their index in the table; their values
            become null.
    """
    rows = pa.array(rows, pa.int64())
    if not faults:
        no_faults = {name: pa.nulls(len(rows), TEXT) for name in (KIND, REASON, RAW)}
        return pa.table({**values, ROW: rows, **no_faults})
    index = np.full(len(rows), -1)
    index[list(faults)] = np.arange(len(faults))
    is_wrong = pa.array(index >= 0)
    indices = pa.array(index, mask=index < 0)
    described = {
        name: pa.array(column, TEXT).take(indices)
        for name, column in zip(
            (KIND, REASON, RAW), zip(*faults.values(), strict=True), strict=True
        )
    }
    kept = {
        role: pc.if_else(is_wrong, pa.scalar(None, type_of(role)), column)
        for role, column in values.items()
    }
    return pa.table({**kept, ROW: rows, **described})


def faults_table(columns: Columns, faults: Mapping[int, Fault]) -> pa.Table:
    """Make a table of invalid rows, by their numbers in the file."""
    values = {role: pa.nulls(len(faults), type_of(role)) for role in columns}
    return as_table(values, list(faults), dict(enumerate(faults.values())))


def check_head(
    head: bytes, options: Mapping[str, Any], *, is_text: bool, has_compression: bool
) -> None:
    """Reject a file whose first bytes belong to another kind of file than its format.

    Raises:
        RowError: Names the kind of file, and what to change.
    """
    kind = str(options.get("kind", "text"))
    found = kind_of_bytes(head)
    if found in PACKED:
        how = (
            f"set source.compression: {found}"
            if has_compression
            else "name the member inside it, or unpack it"
        )
        raise RowError(
            f"its first bytes are those of {found}, expected {kind}: {how}, "
            "if the name of the file does not say so"
        )
    if is_text and found:
        way = (
            f"set format.kind: {found.lower()}"
            if found.lower() in all_formats()
            else f"save it as {kind}"
        )
        raise RowError(f"its first bytes are those of {found}, expected {kind}: {way}")
    is_utf8 = options.get("encoding", "").lower().replace("_", "-") in ("utf-8", "utf8")
    name = utf16_without_mark(head)
    if is_text and is_utf8 and name:
        raise RowError(
            f"looks like {name} without a byte order mark, expected utf-8: "
            f"set format.encoding: {name}"
        )
    if not is_text and not found and is_text_head(head):
        raise RowError(
            f"is text that begins with {first_words(head)!r}, expected {kind}: "
            "look at kind of its format (csv, jsonl ...)"
        )


class NoColumnError(RowError):
    """A file has no column of that name."""

    def __init__(self, message: str, name: str | int) -> None:
        """Keep the name of the column."""
        super().__init__(message)
        self.name = name


def no_column(name: str | int, names: Sequence[str], hint: str = "") -> NoColumnError:
    """Make the error for a missing column, with the nearest name."""
    known = [readable(known) for known in names]
    expected = hint or (nearest(name, known) if known else "it has no columns")
    return NoColumnError(f"has no column {name!r}: {expected}", name)


def readable(name: str) -> str:
    """Write a name for a message: invalid bytes and unprintable signs escaped, a long name cut."""
    text = "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode()
        for sign in shown(name)
    )
    return text if len(text) <= NAME_CHARS else text[:NAME_CHARS] + "..."
