"""A table or a query of a database, through SQLAlchemy: read in batches, grown by a watermark."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from data.errors import RowError, nearest
from data.rows.arrow_text import hashes
from data.rows.splits import CONTENT_KEY, SPLITS
from data.sources.base import Access, Piece
from data.sources.database import check_secrets, connected

BATCH_ROWS = 10_000
# In SQLAlchemy's text a colon before a name is a parameter, and a backslash takes that away.
COLON = re.compile(r"(?<![:\w\\]):(?=\w+(?![:\w]))|\\(?=:\w*(?![:\w]))")
# The types that a watermark may have, and how each is read from the text of a mark.
TYPES = {
    "int": int,
    "float": float,
    "decimal": Decimal,
    "text": str,
    "time": datetime,
    "date": date,
}
READ: dict[str, Callable[[str], Any]] = {
    **TYPES,
    "time": datetime.fromisoformat,
    "date": date.fromisoformat,
}


@dataclass(frozen=True)
class _Mark:
    """A stretch: the rows with watermarks from ``low`` to ``top``, both of them in it."""

    source: str  # digest of the entry it belongs to
    low: Any  # None where the table begins
    top: Any
    edge: str  # digest of the rows at ``top``, for more may come with the same watermark

    @property
    def text(self) -> str:
        return json.dumps([self.source, _written(self.low), _written(self.top), self.edge])

    @classmethod
    def read(cls, text: str) -> "_Mark":
        source, low, top, edge = json.loads(text)
        return cls(source, low and READ[low[0]](low[1]), READ[top[0]](top[1]), edge)


@dataclass(frozen=True, kw_only=True)
class Sql:
    """The rows of a table or a query of a database.

    ``url`` is SQLAlchemy's, with secrets by name only. ``key`` names a row.
    ``watermark`` is a column that gets a larger value whenever a row is added
    or changed, such as ``updated_at``: with it only what is new is read.

    Each call sees one state of the database, where it can give that, but no
    state lasts over several calls. So a stretch ends at the largest watermark
    there was when it was listed: a row that comes or changes after that
    belongs to the next stretch.
    """

    has_format: ClassVar[bool] = False

    url: str
    table: str = ""  # or schema.table
    query: str = ""
    split: str = "all"
    watermark: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        if bool(self.table) == bool(self.query):
            raise RowError(
                f"expected one of table and query, got {'both' if self.table else 'neither'}"
            )
        if self.split not in (*SPLITS, "all"):
            raise RowError(
                f"there is no split {self.split!r}: {nearest(self.split, (*SPLITS, 'all'))}"
            )
        if self.watermark and not self.key:
            raise RowError(
                f"watermark {self.watermark!r} needs key, the column that names a row: "
                "without it rows that were changed or deleted could not be told"
            )
        check_secrets(self.url)

    def pieces(self, access: Access, known: Sequence[Piece]) -> list[Piece]:
        """List the table as one piece or, with a watermark, as stretches of it.

        Without a watermark the version is empty: nothing but reading tells
        whether the rows are the same. With one, the known pieces are listed
        again and what is new is added; nothing new gives exactly ``known``. A
        stretch begins AT the watermark where the last one ended, for more rows
        may have come with it: where a key stands in several pieces, the last
        of them counts. Rows that are gone and rows that were committed late,
        below the last watermark, are not seen here but by ``keys`` and
        ``stamps``; after late ones, read anew with nothing known.

        Raises:
            RowError: If there is no such table or column, watermark or key
                have no value in some row, or a key stands twice.
            DatabaseError: If the database cannot be reached.
        """
        if not self.watermark:
            return [Piece(split=self.split, name=self._origin, version="")]
        ours = [
            piece for piece in known if piece.mark and piece.mark.startswith(f'["{self._digest}"')
        ]
        last = _Mark.read(ours[-1].mark or "") if ours else None
        with connected(self.url, self._origin, access) as connection:
            rows = self._rows(connection)
            self._check_stamps(connection, rows)
            new = self._new_stretch(connection, rows, last)
            return ours + ([self._piece(connection, rows, new)] if new else [])

    def tables(
        self, piece: Piece, columns: Mapping[str, str], access: Access
    ) -> Iterator[pa.Table]:
        """Read a piece in batches of 10,000 rows, with a cursor that the server keeps.

        Rows come in the order of watermark and key, of the key alone or, if
        there is none, of all columns that are read. Dates, times (with a zone:
        in UTC) and numbers that are neither int nor float are text. A column
        without any value in a batch is of type null.
        """
        mark = _Mark.read(piece.mark) if piece.mark else None
        with connected(self.url, self._origin, access) as connection:
            rows = self._rows(connection, columns.values())
            picked = [rows.c[name] for name in columns.values()]
            order = [rows.c[name] for name in (self.watermark, self.key) if name] or picked
            within = self._within(rows, mark.low, mark.top) if mark else []
            yield from _batches(
                connection, sa.select(*picked).where(*within).order_by(*order), list(columns)
            )

    def keys(self, access: Access) -> Iterator[pa.Array] | None:
        """The keys of all rows that are there now, as text; None without a key."""
        return (
            (table["key"].combine_chunks() for table in self._all_stamps(access, None, None))
            if self.key
            else None
        )

    def stamps(self, access: Access, until: Piece, *, is_alone: bool = False) -> Iterator[pa.Table]:
        """Key and watermark, as text, of the rows there are now that the pieces up to ``until`` (or it alone) should hold.

        A pair that was in no piece when it was read (as its columns key and
        watermark, cast to text) is of a row that was committed late.
        """
        mark = _Mark.read(until.mark) if until.mark else None
        return self._all_stamps(
            access, mark.low if mark and is_alone else None, mark.top if mark else None
        )

    def state(self, access: Access) -> str:
        """Digest of all keys and watermarks: equal as long as no row comes, changes or goes.

        Empty without a watermark: then nothing but reading tells.
        """
        return _digest_of(self._all_stamps(access, None, None)) if self.watermark else ""

    @property
    def _origin(self) -> str:
        return f"table {self.table}" if self.table else "query"

    @property
    def _digest(self) -> str:
        """What a mark belongs to: it means nothing for another table."""
        return hashlib.sha256(json.dumps(astuple(self)).encode()).hexdigest()[:16]

    def _new_stretch(
        self, connection: sa.Connection, rows: sa.FromClause, last: _Mark | None
    ) -> _Mark | None:
        low = last.top if last else None
        top = _in_utc(
            connection.scalar(
                sa.select(sa.func.max(rows.c[self.watermark])).where(*self._within(rows, low, None))
            )
        )
        if top is None:
            return None
        _written(top)  # refuses what is no watermark
        edge = _digest_of(self._stamps(connection, rows, top, top))
        if edge == _digest_of([]):
            raise RowError(
                f"watermark {self.watermark}: no row equals its largest value {top}; take one that is compared exactly"
            )
        return (
            None
            if last and edge == last.edge and top == low
            else _Mark(self._digest, low, top, edge)
        )

    def _piece(self, connection: sa.Connection, rows: sa.FromClause, mark: _Mark) -> Piece:
        reach = (
            f"up to {_text(mark.top)}"
            if mark.low is None
            else f"from {_text(mark.low)} to {_text(mark.top)}"
        )
        version = _digest_of(self._stamps(connection, rows, mark.low, mark.top))
        name = f"{self._origin}, {self.watermark} {reach}"
        return Piece(split=self.split, name=name, version=version, is_kept=True, mark=mark.text)

    def _within(self, rows: sa.FromClause, low: Any, top: Any) -> list[sa.ColumnElement[bool]]:
        above = [] if low is None else [rows.c[self.watermark] >= _bound(low)]
        return above + ([] if top is None else [rows.c[self.watermark] <= _bound(top)])

    def _stamps(
        self, connection: sa.Connection, rows: sa.FromClause, low: Any, top: Any
    ) -> Iterator[pa.Table]:
        names = {"key": self.key} | ({"watermark": self.watermark} if self.watermark else {})
        chosen = sa.select(*[rows.c[name] for name in names.values()]).where(
            *self._within(rows, low, top)
        )
        for table in _batches(connection, chosen, list(names)):
            for role, column in zip(names, table.columns, strict=True):
                if pa.types.is_binary(column.type) or pa.types.is_nested(column.type):
                    raise RowError(
                        f"{role} {names[role]!r} must hold numbers, text or times, got {column.type}"
                    )
            yield table.cast(pa.schema([(role, pa.string()) for role in names]))

    def _all_stamps(self, access: Access, low: Any, top: Any) -> Iterator[pa.Table]:
        with connected(self.url, self._origin, access) as connection:
            yield from self._stamps(connection, self._rows(connection), low, top)

    def _check_stamps(self, connection: sa.Connection, rows: sa.FromClause) -> None:
        key = rows.c[self.key]
        for role, name in {"watermark": self.watermark, "key": self.key}.items():
            empty = connection.scalar(
                sa.select(sa.func.count()).select_from(rows).where(rows.c[name].is_(None))
            )
            if empty:
                raise RowError(
                    f"{role} {name!r} has no value in {empty:,} rows of {self._origin}; expected one in every row"
                )
        twice = connection.scalar(sa.select(key).group_by(key).having(sa.func.count() > 1).limit(1))
        if twice is not None:
            raise RowError(
                f"key {self.key!r} must name one row, got {_text(twice)!r} in several rows of {self._origin}"
            )

    def _rows(self, connection: sa.Connection, names: Iterable[str] = ()) -> sa.FromClause:
        """What is selected from, with the columns that are needed.

        Raises:
            RowError: If there is no such table or column, with the nearest.
        """
        whole = (
            self._table(connection)
            if self.table
            else _verbatim(self.query).columns().subquery("rows")
        )
        found = connection.execute(
            sa.select(sa.literal_column("*")).select_from(whole).where(sa.false())
        ).keys()
        needed = dict.fromkeys(name for name in (*names, self.watermark, self.key) if name)
        for name in needed:
            if name not in found:
                raise RowError(f"{self._origin} has no column {name!r}: {nearest(name, found)}")
        columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in needed]
        if isinstance(whole, sa.TableClause):
            return sa.table(whole.name, *columns, schema=whole.schema)
        return _verbatim(self.query).columns(*columns).subquery("rows")

    def _table(self, connection: sa.Connection) -> sa.TableClause:
        inspector = sa.inspect(connection)
        if inspector.has_table(self.table):  # a name may have a dot in it
            return sa.table(self.table)
        schema, _, name = self.table.rpartition(".")
        if schema and inspector.has_table(name, schema):
            return sa.table(name, schema=schema)
        is_schema = schema in inspector.get_schema_names()
        names = inspector.get_table_names(schema if is_schema else None) + inspector.get_view_names(
            schema if is_schema else None
        )
        known = [f"{schema}.{name}" if is_schema else name for name in names]
        raise RowError(
            f"there is no table {self.table!r}: {nearest(self.table, known) if known else 'the database has no tables'}"
        )


def _batches(
    connection: sa.Connection, chosen: sa.Select[Any], names: list[str]
) -> Iterator[pa.Table]:
    with connection.execute(chosen, execution_options={"yield_per": BATCH_ROWS}) as result:
        for batch in result.partitions():
            yield pa.table([_array(values) for values in zip(*batch, strict=True)], names=names)


def _array(values: Sequence[Any]) -> pa.Array:
    """Turn values of a column as the driver gives them into an array: types without a twin become text."""
    try:
        array = pa.array(values)
    except (
        pa.ArrowException,
        OverflowError,
    ):  # several types in one column, or numbers beyond 64 bits
        return pa.array([_text(value) for value in values], pa.string())
    if pa.types.is_timestamp(array.type):
        in_utc = array.cast(pa.timestamp("us", array.type.tz and "UTC")).cast(pa.string())
        return pc.binary_replace_slice(in_utc, 10, 11, "T")
    is_plain = (
        pa.types.is_integer(array.type)
        or pa.types.is_floating(array.type)
        or pa.types.is_boolean(array.type)
    )
    is_plain = (
        is_plain
        or pa.types.is_nested(array.type)
        or array.type in (pa.string(), pa.binary(), pa.null())
    )
    return array if is_plain else pa.array([_text(value) for value in values], pa.string())


def _in_utc(value: Any) -> Any:
    """Times with a zone in one that does not depend on the server; in others, two of the hour that stands twice differ."""
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value


def _text(value: Any) -> str | None:
    value = _in_utc(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    return (
        None if value is None else value.isoformat() if hasattr(value, "isoformat") else str(value)
    )


def _digest_of(stamps: Iterable[pa.Table]) -> str:
    """Number of rows, and the sum of their hashes: the same in any order, in constant memory."""
    num_rows, total = 0, 0
    for table in stamps:
        pairs = pc.binary_join_element_wise(*table.columns, "\x1f")
        num_rows, total = num_rows + table.num_rows, total + int(hashes(pairs, CONTENT_KEY).sum())
    return f"{num_rows}-{total % 2**64:016x}"


def _written(value: Any) -> list[str] | None:
    """Write a watermark with its type."""
    for name, kind in TYPES.items():
        if type(value) is kind:
            return [name, repr(value) if kind is float else str(_text(value))]
    if value is None:
        return None
    raise RowError(f"a watermark must be a number, text or a time, got {value!r}")


def _bound(value: Any) -> sa.BindParameter[Any]:
    has_zone = isinstance(value, datetime) and value.tzinfo is not None
    return sa.literal(value, sa.DateTime(timezone=True)) if has_zone else sa.literal(value)


def _verbatim(query: str) -> sa.TextClause:
    return sa.text(
        COLON.sub(r"\\\g<0>", query.strip().rstrip(";")) + "\n"
    )  # the last line may be a comment


SOURCE = Sql
