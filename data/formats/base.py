"""What a format is: streams of bytes in, tables that keep one contract out."""

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
from data.sources.first_bytes import PACKED, Opened, first_words, kind_of_bytes, utf16_without_mark
from data.sources.first_bytes import is_text as is_text_head

TEXT, TOKENS = pa.string(), pa.list_(pa.string())
LISTS = ("tokens", "tags")  # roles whose values are lists of texts; of all others, texts
# Kinds of what is no row and is counted in the report: nothing of it is learnt, and nothing is wrong with it.
NOTES = {
    "empty_file": "Empty files, which have no rows",
    "joined_files": "Files with byte order marks in their middle, as where files were joined; the marks are left out",
    "document_mark": "Marks of documents and comments among tokens, which are left out",
}
# The columns beside the roles: where the row stands, and why it cannot be read (null if it can).
ROW, KIND, REASON, RAW = "row", "kind", "reason", "raw"

NAME_CHARS = 80  # of a column, in a message

Columns = Mapping[str, str | int]
Reader = Callable[[Sequence[IO[bytes]], Columns, Mapping[str, Any]], Iterator[pa.Table]]


@dataclass(frozen=True)
class FormatKind:
    """How a format is read, and what a catalog may say of it.

    ``read`` yields tables of bounded size with a column for each role, and
    ``row``, ``kind``, ``reason``, ``raw`` as ``as_table`` makes them. A row
    that cannot be read stops nothing: it comes out with its kind of fault.
    ``options`` gives the defaults, ``choices`` the values of those that have
    few. ``faults`` says of a text what makes it none of this format, where
    that can be told; it raises a RowError where a library for it is missing.
    ``columns`` says how a catalog names columns: by names only, by
    numbers from 0 only, by numbers or, if the option ``header`` is true, by
    names, or not at all. ``shapes`` are the roles that rows may have.
    ``has_open_keys`` says that a column which is nowhere is null and no error.
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
        """Read what ``read`` does, after a look at the first bytes: a file without a byte has no rows in any format.

        What is noted of a file (``NOTES``) comes as a row of that kind.

        Args:
            streams: As many as the format reads side by side.
            columns: Role to column.
            options: Of the format, ``kind`` among them.
            has_compression: Whether the source has the key ``compression``, for messages.

        Raises:
            RowError: If the bytes are of another kind of file.
        """
        opened = [Opened(stream) for stream in streams]
        if not any(stream.head for stream in opened):
            yield faults_table(columns, {1: Fault("empty_file", "the file is empty", "")})
            return
        is_text, last = "encoding" in self.options, 1
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
    """Why a row cannot be read: a short name, a sentence for a person, and what stood there."""

    kind: str
    reason: str
    raw: str


@cache
def all_formats() -> dict[str, FormatKind]:
    """Find every format by its name, in the modules of ``data/formats``."""
    return {
        name: kind for module in _modules() for name, kind in getattr(module, "FORMATS", {}).items()
    }


def format_module(kind: str) -> str:
    """The name of the module in which a format stands."""
    return next(module.__name__ for module in _modules() if kind in getattr(module, "FORMATS", {}))


@cache
def _modules() -> list[ModuleType]:
    names = [module.name for module in pkgutil.iter_modules(formats.__path__)]
    return [importlib.import_module(f"{formats.__name__}.{name}") for name in names]


def type_of(role: str) -> pa.DataType:
    """The type of a role's column."""
    return TOKENS if role in LISTS else TEXT


def as_table(
    values: Mapping[str, Any],
    rows: NDArray[np.int64] | Sequence[int],
    faults: Mapping[int, Fault] | None = None,
) -> pa.Table:
    """Put what was read into a table as every format yields it.

    Args:
        values: A column for each role, of ``type_of(role)``.
        rows: Where each row stands in its file, counted from 1.
        faults: The rows that cannot be read, by their place in the table;
            their values are taken away.
    """
    rows = pa.array(rows, pa.int64())
    if not faults:
        said = {name: pa.nulls(len(rows), TEXT) for name in (KIND, REASON, RAW)}
        return pa.table({**values, ROW: rows, **said})
    index = np.full(len(rows), -1)
    index[list(faults)] = np.arange(len(faults))
    is_wrong = pa.array(index >= 0)
    places = pa.array(index, mask=index < 0)
    said = {
        name: pa.array(column, TEXT).take(places)
        for name, column in zip(
            (KIND, REASON, RAW), zip(*faults.values(), strict=True), strict=True
        )
    }
    kept = {
        role: pc.if_else(is_wrong, pa.scalar(None, type_of(role)), column)
        for role, column in values.items()
    }
    return pa.table({**kept, ROW: rows, **said})


def faults_table(columns: Columns, faults: Mapping[int, Fault]) -> pa.Table:
    """Make a table of nothing but rows that cannot be read, by where they stand."""
    values = {role: pa.nulls(len(faults), type_of(role)) for role in columns}
    return as_table(values, list(faults), dict(enumerate(faults.values())))


def check_head(
    head: bytes, options: Mapping[str, Any], *, is_text: bool, has_compression: bool
) -> None:
    """Refuse a file whose first bytes say that it is of another kind than its format.

    Raises:
        RowError: Says what the file is, and what to change.
    """
    kind, found = str(options.get("kind", "text")), kind_of_bytes(head)
    if found in PACKED:
        how = (
            f"set source.compression: {found}"
            if has_compression
            else "name the member inside it, or unpack it"
        )
        raise RowError(
            f"its first bytes are those of {found}, expected {kind}: {how}, if the name of the file does not say so"
        )
    if is_text and found:
        way = (
            f"set format.kind: {found.lower()}"
            if found.lower() in all_formats()
            else f"save it as {kind}"
        )
        raise RowError(f"its first bytes are those of {found}, expected {kind}: {way}")
    if (
        is_text
        and options.get("encoding", "").lower().replace("_", "-") in ("utf-8", "utf8")
        and utf16_without_mark(head)
    ):
        name = utf16_without_mark(head)
        raise RowError(
            f"looks like {name} without a byte order mark, expected utf-8: set format.encoding: {name}"
        )
    if not is_text and not found and is_text_head(head):
        raise RowError(
            f"is text that begins with {first_words(head)!r}, expected {kind}: look at kind of its format (csv, jsonl ...)"
        )


class NoColumnError(RowError):
    """A file has no column of that name."""

    def __init__(self, message: str, name: str | int) -> None:
        """Remember the name."""
        super().__init__(message)
        self.name = name


def no_column(name: str | int, names: Sequence[str], hint: str = "") -> NoColumnError:
    """The error for a column that is not there; names that cannot be read are shown by their codes."""
    known = [readable(known) for known in names]
    expected = hint or (nearest(name, known) if known else "it has no columns")
    return NoColumnError(f"has no column {name!r}: {expected}", name)


def readable(name: str) -> str:
    """Write a name for a person: bytes and signs that cannot be shown by their codes, and not all of a long one."""
    text = "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode()
        for sign in shown(name)
    )
    return text if len(text) <= NAME_CHARS else text[:NAME_CHARS] + "..."
