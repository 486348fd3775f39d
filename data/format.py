"""What a format is: streams of bytes in, tables that keep one contract out."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import IO, Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data import formats
from data.errors import RowError, nearest

TEXT, TOKENS = pa.string(), pa.list_(pa.string())
LISTS = ("tokens", "tags")  # roles whose values are lists of texts; of all others, texts
# The columns beside the roles: where the row stands, and why it cannot be read (null if it can).
ROW, KIND, REASON, RAW = "row", "kind", "reason", "raw"

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
    """

    read: Reader
    options: Mapping[str, Any]
    choices: Mapping[str, tuple[str, ...]]
    columns: Literal["names", "numbers", "header", "none"]
    shapes: tuple[tuple[str, ...], ...]
    num_streams: int = 1
    faults: Callable[[str], list[str]] | None = None


class Fault(NamedTuple):
    """Why a row cannot be read: a short name, a sentence for a person, and what stood there."""

    kind: str
    reason: str
    raw: str


@cache
def all_formats() -> dict[str, FormatKind]:
    """Find every format by its name, in the modules of ``data/formats``."""
    return {name: kind for module in _modules() for name, kind in getattr(module, "FORMATS", {}).items()}


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
    values: Mapping[str, Any], rows: NDArray[np.int64] | Sequence[int], faults: Mapping[int, Fault] | None = None
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
        for name, column in zip((KIND, REASON, RAW), zip(*faults.values(), strict=True), strict=True)
    }
    kept = {role: pc.if_else(is_wrong, pa.scalar(None, type_of(role)), column) for role, column in values.items()}
    return pa.table({**kept, ROW: rows, **said})


def faults_table(columns: Columns, faults: Mapping[int, Fault]) -> pa.Table:
    """Make a table of nothing but rows that cannot be read, by where they stand."""
    values = {role: pa.nulls(len(faults), type_of(role)) for role in columns}
    return as_table(values, list(faults), dict(enumerate(faults.values())))


def no_column(name: str | int, names: Sequence[str]) -> RowError:
    """The error for a column that is not there."""
    return RowError(f"has no column {name!r}: {nearest(name, names)}")
