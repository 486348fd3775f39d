"""A table or a query of a database, through SQLAlchemy: read in batches, grown by a watermark."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, ClassVar

import pyarrow as pa
import sqlalchemy as sa

from data.errors import RowError, nearest
from data.rows.splits import SPLITS
from data.sources.base import Access, Partition
from data.sources.database import check_secrets, connected
from data.sources.query_batches import batches, digest_of
from data.sources.watermarks import Stretch, as_text, bound, in_utc, typed

# In SQLAlchemy's text a colon before a name marks a parameter, and a backslash cancels that.
COLON = re.compile(r"(?<![:\w\\]):(?=\w+(?![:\w]))|\\(?=:\w*(?![:\w]))")


@dataclass(frozen=True, kw_only=True)
class Sql:
    """The rows of a table or a query of a database.

    ``url`` is an address of SQLAlchemy with references for secrets. ``key``
    identifies a row. ``watermark`` is a column that gets a larger value
    whenever a row is added or changed, such as ``updated_at``: with it only
    new rows are read.

    Each call sees one state of the database, where the database offers that,
    but no state lasts over several calls. So a range ends at the largest
    watermark at the time of its listing: a row that comes or changes later
    belongs to the next range.
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
            found = "both" if self.table else "neither"
            raise RowError(f"expected one of table and query, got {found}")
        if self.split not in (*SPLITS, "all"):
            hint = nearest(self.split, (*SPLITS, "all"))
            raise RowError(f"there is no split {self.split!r}: {hint}")
        if self.watermark and not self.key:
            raise RowError(
                f"watermark {self.watermark!r} needs key, the column that names a row: "
                "without it changed and deleted rows cannot be recognized"
            )
        check_secrets(self.url)

    def pieces(self, access: Access, known: Sequence[Partition]) -> list[Partition]:
        """List the table as one partition or, with a watermark, as ranges of rows.

        Without a watermark the version is empty: only reading shows whether
        the rows changed. With one, the known partitions are listed again and
        the new rows are added as one more; no new rows give exactly ``known``.
        A range begins AT the watermark where the last one ended, because more
        rows may have come with it: where a key is in several partitions, the
        last of them counts. Rows that are gone and rows that were committed
        late, below the last watermark, appear only in ``keys`` and ``stamps``;
        after late rows, list with nothing known.

        Raises:
            RowError: If there is no such table or column, watermark or key
                have no value in some row, or two rows share a key.
            DatabaseError: If the database cannot be reached.
        """
        if not self.watermark:
            return [Partition(split=self.split, name=self._origin, version="")]
        start = f'["{self._digest}"'
        ours = [
            partition for partition in known if partition.mark and partition.mark.startswith(start)
        ]
        last = Stretch.read(ours[-1].mark or "") if ours else None
        with connected(self.url, self._origin, access) as connection:
            rows = self._rows(connection)
            self._check_stamps(connection, rows)
            new = self._new_stretch(connection, rows, last)
            return ours + ([self._piece(connection, rows, new)] if new else [])

    def tables(
        self, partition: Partition, columns: Mapping[str, str], access: Access
    ) -> Iterator[pa.Table]:
        """Read a partition in batches of 10,000 rows.

        Rows are ordered by watermark and key, by the key alone or, without a
        key, by all columns that are read. Dates, times (with a zone: in UTC)
        and numbers that are neither int nor float are text. A column without
        any value in a batch is of type null.
        """
        mark = Stretch.read(partition.mark) if partition.mark else None
        with connected(self.url, self._origin, access) as connection:
            rows = self._rows(connection, columns.values())
            picked = [rows.c[name] for name in columns.values()]
            order = [rows.c[name] for name in (self.watermark, self.key) if name] or picked
            within = self._within(rows, mark.low, mark.top) if mark else []
            query = sa.select(*picked).where(*within).order_by(*order)
            yield from batches(connection, query, list(columns))

    def keys(self, access: Access) -> Iterator[pa.Array]:
        """Read the keys of all rows in the table now, as text."""
        if not self.key:
            raise RowError(f"{self._origin} has no key: name the column in source.key")
        for table in self._all_stamps(access, None, None):
            yield table["key"].combine_chunks()

    def stamps(
        self, access: Access, until: Partition, *, is_alone: bool = False
    ) -> Iterator[pa.Table]:
        """Read key and watermark, as text, of the rows in the table now.

        A pair that no partition had when it was read (its columns key and
        watermark, cast to text) belongs to a row that was committed late.
        """
        mark = Stretch.read(until.mark) if until.mark else None
        low = mark.low if mark and is_alone else None
        return self._all_stamps(access, low, mark.top if mark else None)

    def state(self, access: Access) -> str:
        """Digest all keys and watermarks; empty without a watermark."""
        return digest_of(self._all_stamps(access, None, None)) if self.watermark else ""

    @property
    def _origin(self) -> str:
        return f"table {self.table}" if self.table else "query"

    @property
    def _digest(self) -> str:
        """Identify the entry, because a mark means nothing for another table."""
        return hashlib.sha256(json.dumps(astuple(self)).encode()).hexdigest()[:16]

    def _new_stretch(
        self, connection: sa.Connection, rows: sa.FromClause, last: Stretch | None
    ) -> Stretch | None:
        low = last.top if last else None
        largest = sa.select(sa.func.max(rows.c[self.watermark]))
        top = in_utc(connection.scalar(largest.where(*self._within(rows, low, None))))
        if top is None:
            return None
        typed(top)  # refuses a type that is no watermark
        edge = digest_of(self._stamps(connection, rows, top, top))
        if edge == digest_of([]):
            raise RowError(
                f"watermark {self.watermark}: no row equals its largest value {top}; "
                "take a column that is compared exactly"
            )
        is_same = last is not None and edge == last.edge and top == low
        return None if is_same else Stretch(self._digest, low, top, edge)

    def _piece(self, connection: sa.Connection, rows: sa.FromClause, mark: Stretch) -> Partition:
        reach = f"to {as_text(mark.top)}"
        reach = f"up {reach}" if mark.low is None else f"from {as_text(mark.low)} {reach}"
        version = digest_of(self._stamps(connection, rows, mark.low, mark.top))
        name = f"{self._origin}, {self.watermark} {reach}"
        return Partition(split=self.split, name=name, version=version, is_kept=True, mark=mark.text)

    def _within(self, rows: sa.FromClause, low: Any, top: Any) -> list[sa.ColumnElement[bool]]:
        above = [] if low is None else [rows.c[self.watermark] >= bound(low)]
        return above + ([] if top is None else [rows.c[self.watermark] <= bound(top)])

    def _stamps(
        self, connection: sa.Connection, rows: sa.FromClause, low: Any, top: Any
    ) -> Iterator[pa.Table]:
        names = {"key": self.key} | ({"watermark": self.watermark} if self.watermark else {})
        picked = sa.select(*[rows.c[name] for name in names.values()])
        for table in batches(connection, picked.where(*self._within(rows, low, top)), list(names)):
            for role, column in zip(names, table.columns, strict=True):
                if pa.types.is_binary(column.type) or pa.types.is_nested(column.type):
                    raise RowError(
                        f"{role} {names[role]!r} must hold numbers, text or times, "
                        f"got {column.type}"
                    )
            yield table.cast(pa.schema([(role, pa.string()) for role in names]))

    def _all_stamps(self, access: Access, low: Any, top: Any) -> Iterator[pa.Table]:
        with connected(self.url, self._origin, access) as connection:
            yield from self._stamps(connection, self._rows(connection), low, top)

    def _check_stamps(self, connection: sa.Connection, rows: sa.FromClause) -> None:
        key = rows.c[self.key]
        for role, name in {"watermark": self.watermark, "key": self.key}.items():
            count = sa.select(sa.func.count()).select_from(rows)
            empty = connection.scalar(count.where(rows.c[name].is_(None)))
            if empty:
                raise RowError(
                    f"{role} {name!r} has no value in {empty:,} rows of {self._origin}; "
                    "expected one in every row"
                )
        twice = connection.scalar(sa.select(key).group_by(key).having(sa.func.count() > 1).limit(1))
        if twice is not None:
            raise RowError(
                f"key {self.key!r} must name one row, got {as_text(twice)!r} "
                f"in several rows of {self._origin}"
            )

    def _rows(self, connection: sa.Connection, names: Iterable[str] = ()) -> sa.FromClause:
        """Find the table or query to select from, with the columns that are needed.

        Raises:
            RowError: If there is no such table or column, with the nearest name.
        """
        whole = (
            _find_table(connection, self.table)
            if self.table
            else _verbatim(self.query).columns().subquery("rows")
        )
        nothing: sa.Select[Any] = (
            sa.select(sa.literal_column("*")).select_from(whole).where(sa.false())
        )
        found = connection.execute(nothing).keys()
        needed = dict.fromkeys(name for name in (*names, self.watermark, self.key) if name)
        for name in needed:
            if name not in found:
                raise RowError(f"{self._origin} has no column {name!r}: {nearest(name, found)}")
        columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in needed]
        if isinstance(whole, sa.TableClause):
            return sa.table(whole.name, *columns, schema=whole.schema)
        return _verbatim(self.query).columns(*columns).subquery("rows")


def _find_table(connection: sa.Connection, table: str) -> sa.TableClause:
    inspector = sa.inspect(connection)
    if inspector.has_table(table):  # a name may contain a dot
        return sa.table(table)
    schema, _, name = table.rpartition(".")
    if schema and inspector.has_table(name, schema):
        return sa.table(name, schema=schema)
    is_schema = schema in inspector.get_schema_names()
    within = schema if is_schema else None
    names = inspector.get_table_names(within) + inspector.get_view_names(within)
    known = [f"{schema}.{name}" if is_schema else name for name in names]
    hint = nearest(table, known) if known else "the database has no tables"
    raise RowError(f"there is no table {table!r}: {hint}")


def _verbatim(query: str) -> sa.TextClause:
    text = COLON.sub(r"\\\g<0>", query.strip().rstrip(";"))
    return sa.text(text + "\n")  # the last line may be a comment


SOURCE = Sql
