"""The same tests on SQLite and a real PostgreSQL, and some for only one of them."""

import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa

from data.errors import RowError
from data.sources.base import Access, Partition
from data.sources.database import DatabaseError
from data.sources.query_batches import BATCH_ROWS
from data.sources.sql import SOURCE, Sql, _verbatim
from tests.postgres import Server, find_postgres, postgres

COLUMNS = {"text": "text", "label": "label", "key": "id"}
GROWING = {"table": "reviews", "watermark": "stamp", "key": "id"}


@dataclass(frozen=True)
class Database:
    """One database for each test."""

    kind: str
    url: str
    access: Access

    def execute(self, statement: str, *rows: tuple[Any, ...]) -> None:
        engine = sa.create_engine(self.access.reveal(self.url))
        with engine.begin() as connection:
            connection.exec_driver_sql(statement, list(rows) or None)
        engine.dispose()

    def insert(self, *rows: tuple[Any, ...], table: str = "reviews") -> None:
        mark = "?" if self.kind == "sqlite" else "%s"
        self.execute(f"INSERT INTO {table} VALUES ({', '.join([mark] * len(rows[0]))})", *rows)

    def source(self, **fields: str) -> Sql:
        return Sql(url=self.url, **fields)

    def read(
        self, source: Sql, pieces: list[Partition], columns: dict[str, str] = COLUMNS
    ) -> list[tuple[Any, ...]]:
        """Read the rows of partitions: the last row of each key that still exists."""
        tables = [table for piece in pieces for table in source.tables(piece, columns, self.access)]
        rows = [tuple(row.values()) for table in tables for row in table.to_pylist()]
        if not source.key or "key" not in columns:
            return rows
        index = list(columns).index("key")
        there = {key for batch in source.keys(self.access) for key in batch.to_pylist()}
        return [
            row
            for row in {str(row[index]): row for row in rows}.values()
            if str(row[index]) in there
        ]

    def pieces(self, source: Sql, *known: Partition) -> list[Partition]:
        return source.pieces(self.access, known)


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config) -> Iterator[Server]:
    assert pytestconfig.cache
    with postgres(pytestconfig.cache.mkdir("postgres")) as running:
        yield running


def secret_access(folder: Path, **secrets: str) -> Access:
    """Secrets as the tasks handle them: filled in for use, hidden in messages."""

    def reveal(text: str) -> str:
        return re.sub(r"\$\{env:(\w+)\}", lambda found: secrets[found[1]], text)

    def hide(text: str) -> str:
        for value in secrets.values():
            text = text.replace(value, "***")
        return text

    return Access(folder, reveal, hide)


@pytest.fixture
def on_postgres(server: Server, tmp_path: Path) -> Iterator[Database]:
    """A database whose whole address is a secret, as hosts hand it out."""
    name = f"of_{tmp_path.name}".lower()[:60]
    address = sa.URL.create(
        "postgresql+psycopg", server.user, server.password, "127.0.0.1", server.port, name
    )
    with psycopg.connect(
        address.set(drivername="postgresql", database="postgres").render_as_string(False),
        autocommit=True,
    ) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        yield Database(
            "postgres", "${env:SHOP}", secret_access(tmp_path, SHOP=address.render_as_string(False))
        )
        admin.execute(f'DROP DATABASE "{name}"')  # fails if a connection was left open


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Database:
    sqlite3.connect(tmp_path / "shop.db").execute("PRAGMA journal_mode=wal").close()
    return Database("sqlite", f"sqlite:///{tmp_path}/shop.db", Access(tmp_path))


@pytest.fixture(params=["sqlite", "postgres"])
def db(request: pytest.FixtureRequest) -> Database:
    database: Database = request.getfixturevalue(f"on_{request.param}")
    return database


@pytest.fixture
def shop(db: Database) -> Database:
    """Three reviews whose stamp grows."""
    db.execute("CREATE TABLE reviews (id INTEGER PRIMARY KEY, text TEXT, label TEXT, stamp BIGINT)")
    db.insert((1, "lumo ta", "pos", 10), (2, "grak mi", "neg", 20), (3, "vek — łódź 😀", "neg", 20))
    return db


def test_source_is_found_by_its_kind_and_needs_no_format() -> None:
    assert SOURCE is Sql
    assert not Sql.has_format


def test_table_is_read_completely(shop: Database) -> None:
    source = shop.source(table="reviews", key="id")
    pieces = shop.pieces(source)
    assert pieces == [Partition(split="all", name="table reviews", version="")]
    assert shop.read(source, pieces) == [
        ("lumo ta", "pos", 1),
        ("grak mi", "neg", 2),
        ("vek — łódź 😀", "neg", 3),
    ]


def test_query_is_read_as_written(shop: Database) -> None:
    query = (
        "SELECT text || ' :x %s 10%' AS \"the text\", label FROM reviews WHERE label = 'neg' "
        "AND text LIKE 'g%'; -- the end"
    )
    source = shop.source(query=query.replace(";", ""), split="test")
    assert shop.read(source, shop.pieces(source), {"text": "the text"}) == [("grak mi :x %s 10%",)]
    assert shop.pieces(source)[0].split == "test"


@pytest.mark.parametrize(
    "text",
    [
        ":a",
        "x:a",
        "::a",
        ":a:",
        r"\:a",
        r"\\:a",
        "':a', :b::c",
        "a::b",
        ": a",
        r"\::a",
        "12:30:15",
        "é:é",
        r"\:",
    ],
)
def test_colon_in_a_query_is_no_parameter(text: str) -> None:
    assert str(_verbatim(text).compile()) == text + "\n"


def test_table_in_a_schema_is_read(shop: Database) -> None:
    if shop.kind == "postgres":
        shop.execute("CREATE SCHEMA main")
        shop.execute("ALTER TABLE reviews SET SCHEMA main")
    source = shop.source(**GROWING | {"table": "main.reviews"})
    assert len(shop.read(source, shop.pieces(source))) == 3


def test_names_that_need_quotes_are_read(db: Database) -> None:
    columns = ['Te"xt', "a%sb", ":x", "select", "x; DROP TABLE t--", "naïve 😀"]
    quoted = ", ".join('"' + name.replace('"', '""') + '" TEXT' for name in columns).replace(
        "%", "%%" if db.kind == "postgres" else "%"
    )
    db.execute(f'CREATE TABLE "My.Reviews; --" ({quoted})')
    db.insert(tuple("abcdef"), table='"My.Reviews; --"')
    source = db.source(table="My.Reviews; --", key=":x", watermark="a%sb")
    pieces = db.pieces(source)
    rows = db.read(source, pieces, {f"role{i}": name for i, name in enumerate(columns)})
    assert rows == [tuple("abcdef")]
    assert [key for batch in source.keys(db.access) for key in batch.to_pylist()] == ["c"]


def test_watermark_containing_sql_is_treated_as_a_value(db: Database) -> None:
    db.execute("CREATE TABLE reviews (id INTEGER, stamp TEXT)")
    db.insert((1, "'; DROP TABLE reviews; --"))
    source = db.source(**GROWING)
    pieces = db.pieces(source)
    assert db.pieces(source, *pieces) == pieces
    assert db.read(source, pieces, {"key": "id"}) == [(1,)]


def test_many_rows_are_read_in_batches_in_key_order(db: Database) -> None:
    db.execute("CREATE TABLE reviews (id INTEGER, text TEXT)")
    num = 2 * BATCH_ROWS + 5
    db.insert(*[(i, f"text {i}") for i in reversed(range(num))])
    source = db.source(table="reviews", key="id")
    tables = list(source.tables(db.pieces(source)[0], {"text": "text"}, db.access))
    assert [table.num_rows for table in tables] == [BATCH_ROWS, BATCH_ROWS, 5]
    assert pa.concat_tables(tables)["text"].to_pylist() == [f"text {i}" for i in range(num)]
    assert (
        db.source(table="reviews", key="id", watermark="id").state(db.access).startswith(f"{num}-")
    )


def test_rows_without_a_key_are_ordered_by_their_columns(shop: Database) -> None:
    source = shop.source(query="SELECT label, text FROM reviews ORDER BY stamp")
    assert [row[0] for row in shop.read(source, shop.pieces(source), {"text": "text"})] == [
        "grak mi",
        "lumo ta",
        "vek — łódź 😀",
    ]


def test_early_stop_of_reading_leaves_no_connection(shop: Database) -> None:
    source = shop.source(table="reviews")
    tables = source.tables(shop.pieces(source)[0], {"text": "text"}, shop.access)
    assert next(iter(tables)).num_rows == 3
    tables.close()  # type: ignore[attr-defined]  # the fixture drops the database, which fails if a connection is open


def test_postgres_keeps_rows_on_the_server_until_they_are_read(on_postgres: Database) -> None:
    on_postgres.execute(
        "CREATE TABLE reviews AS SELECT i AS id, repeat('x', 50) AS text FROM generate_series(1, "
        "50000) i"
    )
    source = on_postgres.source(table="reviews", key="id")
    tables = source.tables(on_postgres.pieces(source)[0], {"text": "text"}, on_postgres.access)
    next(tables)
    engine = sa.create_engine(on_postgres.access.reveal(on_postgres.url))
    with engine.connect() as other:
        sessions = other.exec_driver_sql(
            "SELECT query, state FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query "
            "LIKE 'FETCH%%'"
        ).all()
    engine.dispose()
    assert [state for _, state in sessions] == ["idle in transaction"]
    assert sum(table.num_rows for table in tables) == 40000


def test_one_reading_sees_one_consistent_state(shop: Database) -> None:
    shop.insert(*[(i, "ta", "pos", 30) for i in range(10, 10 + 2 * BATCH_ROWS)])
    source = shop.source(table="reviews", key="id")
    tables = source.tables(shop.pieces(source)[0], {"key": "id"}, shop.access)
    num = next(tables).num_rows
    shop.execute("DELETE FROM reviews")
    assert num + sum(table.num_rows for table in tables) == 2 * BATCH_ROWS + 3


def test_query_cannot_write(on_postgres: Database) -> None:
    on_postgres.execute("CREATE SEQUENCE numbers")
    source = on_postgres.source(query="SELECT nextval('numbers') AS text")
    with pytest.raises(RowError, match="read-only transaction"):
        list(source.tables(on_postgres.pieces(source)[0], {"text": "text"}, on_postgres.access))


def test_unchanged_table_lists_exactly_the_known_partitions(shop: Database) -> None:
    source = shop.source(**GROWING)
    pieces = shop.pieces(source)
    assert [(piece.name, piece.is_kept) for piece in pieces] == [
        ("table reviews, stamp up to 20", True)
    ]
    assert shop.pieces(source, *pieces) == pieces
    assert shop.pieces(source) == pieces


def test_new_rows_make_a_partition_from_the_last_watermark(shop: Database) -> None:
    source = shop.source(**GROWING)
    first = shop.pieces(source)
    shop.insert((4, "sela so", "pos", 30))
    second = shop.pieces(source, *first)
    assert second[:1] == first
    assert second[1].name == "table reviews, stamp from 20 to 30"
    stretch = [
        row
        for table in source.tables(second[1], COLUMNS, shop.access)
        for row in table["key"].to_pylist()
    ]
    assert stretch == [2, 3, 4]
    assert len(shop.read(source, second)) == 4
    assert shop.pieces(source, *second) == second


def test_row_with_the_same_watermark_is_not_missed(shop: Database) -> None:
    source = shop.source(**GROWING)
    first = shop.pieces(source)
    shop.insert((4, "sela so", "pos", 20))
    second = shop.pieces(source, *first)
    assert len(second) == 2
    assert len(shop.read(source, second)) == 4
    shop.insert((5, "sela li", "pos", 20))
    third = shop.pieces(source, *second)
    assert third[:2] == second
    assert len({(piece.name, piece.version) for piece in third}) == 3
    assert len(shop.read(source, third)) == 5


def test_changed_row_is_read_again_and_its_last_state_is_used(shop: Database) -> None:
    source = shop.source(**GROWING)
    first = shop.pieces(source)
    shop.execute("UPDATE reviews SET text = 'nuri', stamp = 40 WHERE id = 1")
    second = shop.pieces(source, *first)
    assert ("nuri", "pos", 1) in shop.read(source, second)
    assert len(shop.read(source, second)) == 3


def test_rows_written_after_the_listing_belong_to_the_next_partition(shop: Database) -> None:
    source = shop.source(**GROWING)
    first = shop.pieces(source)
    shop.insert((4, "sela so", "pos", 30))
    assert [row[2] for row in shop.read(source, first)] == [1, 2, 3]
    assert [row[2] for row in shop.read(source, shop.pieces(source, *first))] == [1, 2, 3, 4]


def test_partitions_of_another_table_are_not_listed(shop: Database) -> None:
    pieces = shop.pieces(shop.source(**GROWING))
    other = shop.source(query="SELECT * FROM reviews WHERE id > 1", watermark="stamp", key="id")
    assert [piece.name for piece in shop.pieces(other, *pieces)] == ["query, stamp up to 20"]
    assert (
        shop.pieces(
            shop.source(**GROWING),
            Partition(split="all", name="a", version="b", mark="of another source"),
        )
        == pieces
    )


def test_partition_can_be_read_from_its_mark_alone(shop: Database) -> None:
    source = shop.source(**GROWING)
    [piece] = shop.pieces(source)
    kept = replace(piece, location=None)
    assert json.loads(kept.mark or "")
    assert shop.read(source, [kept]) == shop.read(source, [piece])


def test_empty_table_has_no_partition(db: Database) -> None:
    db.execute("CREATE TABLE reviews (id INTEGER, text TEXT, label TEXT, stamp INTEGER)")
    source = db.source(**GROWING)
    assert db.pieces(source) == []
    assert list(source.tables(db.pieces(db.source(table="reviews"))[0], COLUMNS, db.access)) == []


def test_deletion_changes_state_and_keys_but_not_the_partitions(shop: Database) -> None:
    source = shop.source(**GROWING)
    pieces = shop.pieces(source)
    state = source.state(shop.access)
    assert source.state(shop.access) == state
    shop.execute("DELETE FROM reviews WHERE id = 1")
    assert source.state(shop.access) != state
    assert shop.pieces(source, *pieces) == pieces
    assert [key for batch in source.keys(shop.access) for key in batch.to_pylist()] == [
        "2",
        "3",
    ]


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM reviews WHERE id = 1",
        "UPDATE reviews SET stamp = 11 WHERE id = 1",
        "UPDATE reviews SET id = 9 WHERE id = 1",
    ],
)
def test_state_changes_with_every_row(shop: Database, change: str) -> None:
    source = shop.source(**GROWING)
    state = source.state(shop.access)
    shop.execute(change)
    assert source.state(shop.access) != state


def test_state_does_not_depend_on_the_order_of_rows(shop: Database) -> None:
    source = shop.source(**GROWING)
    state = source.state(shop.access)
    shop.execute("DELETE FROM reviews WHERE id = 1")
    shop.insert((1, "lumo ta", "pos", 10))
    assert source.state(shop.access) == state


def test_state_is_empty_without_a_watermark(shop: Database) -> None:
    assert shop.source(table="reviews", key="id").state(shop.access) == ""


def test_table_without_a_key_has_no_keys(shop: Database) -> None:
    with pytest.raises(RowError, match=r"table reviews has no key: name .* source\.key"):
        list(shop.source(table="reviews").keys(shop.access))


def pairs(source: Sql, pieces: list[Partition], access: Access) -> set[tuple[str, str]]:
    columns = {"key": "id", "watermark": "stamp"}
    tables = [table for piece in pieces for table in source.tables(piece, columns, access)]
    return {
        pair
        for table in tables
        for pair in zip(
            *[column.cast(pa.string()).to_pylist() for column in table.columns], strict=True
        )
    }


@pytest.mark.parametrize("late", ["row", "change"])
def test_late_commit_is_found_by_its_watermark(shop: Database, late: str) -> None:
    source = shop.source(**GROWING)
    pieces = shop.pieces(source)
    read = pairs(source, pieces, shop.access)
    shop.insert((5, "da", "neg", 99))  # not late: it came after the listing
    due = {
        tuple(row.values())
        for table in source.stamps(shop.access, pieces[-1])
        for row in table.to_pylist()
    }
    assert due == read
    if late == "row":
        shop.insert((4, "sela so", "pos", 15))
    else:
        shop.execute("UPDATE reviews SET stamp = 15 WHERE id = 1")
    due = {
        tuple(row.values())
        for table in source.stamps(shop.access, pieces[-1])
        for row in table.to_pylist()
    }
    assert due - read == ({("4", "15")} if late == "row" else {("1", "15")})


def test_column_types_are_those_of_the_database_or_text(on_postgres: Database) -> None:
    values = {
        "int": ("7::bigint", pa.int64(), 7),
        "float": ("0.5::float8", pa.float64(), 0.5),
        "bool": ("true", pa.bool_(), True),
        "text": ("'ł'::text", pa.string(), "ł"),
        "decimal": ("1.50::numeric", pa.string(), "1.50"),
        "large": ("1e30::numeric", pa.string(), "1" + "0" * 30),
        "date": ("'2024-02-29'::date", pa.string(), "2024-02-29"),
        "time": ("'2024-02-29 12:00:00.5'::timestamp", pa.string(), "2024-02-29T12:00:00.500000"),
        "zoned": ("'2024-02-29 12:00+02'::timestamptz", pa.string(), "2024-02-29T10:00:00.000000Z"),
        "uuid": (
            "'00000000-0000-0000-0000-000000000001'::uuid",
            pa.string(),
            "00000000-0000-0000-0000-000000000001",
        ),
        "bytes": ("'\\x00ff'::bytea", pa.binary(), b"\x00\xff"),
        "none": ("NULL::text", pa.null(), None),
        "list": ("ARRAY['a','b']", pa.list_(pa.string()), ["a", "b"]),
        "json": ("'[\"a\"]'::json", pa.list_(pa.string()), ["a"]),
    }
    query = "SELECT 1 AS id, " + ", ".join(
        f'{value} AS "{name}"' for name, (value, _, _) in values.items()
    )
    source = on_postgres.source(query=query, key="id")
    [table] = source.tables(
        on_postgres.pieces(source)[0], {name: name for name in values}, on_postgres.access
    )
    assert {field.name: field.type for field in table.schema} == {
        name: type_ for name, (_, type_, _) in values.items()
    }
    assert table.to_pylist()[0] == {name: value for name, (_, _, value) in values.items()}


def test_column_of_several_types_becomes_text(on_sqlite: Database) -> None:
    source = on_sqlite.source(
        query="SELECT 1 AS x, 1 AS id UNION ALL SELECT 'a', 2 UNION ALL SELECT NULL, 3", key="id"
    )
    [table] = source.tables(on_sqlite.pieces(source)[0], {"text": "x"}, on_sqlite.access)
    assert table["text"].to_pylist() == ["1", "a", None]


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        (
            "timestamptz",
            ["2024-10-27 00:30+00", "2024-10-27 01:30:00.123456+00", "2024-10-27 02:30+00"],
        ),  # an hour occurs twice in Warsaw
        ("timestamp", ["2024-01-01", "2024-01-01 00:00:00.000001", "2025-01-01"]),
        ("date", ["2024-01-01", "2024-01-02", "2024-01-03"]),
        ("numeric", ["1.5", "1.50000000000000000001", "1e30"]),
        ("double precision", ["0.1", "0.30000000000000004", "1e300"]),
        ("bigint", ["-1", "3", "9223372036854775807"]),
        ("text", ["a", "b", "ł"]),
    ],
)
def test_watermark_of_any_comparable_type_works(
    on_postgres: Database, type_: str, values: list[str]
) -> None:
    on_postgres.execute(
        f"ALTER DATABASE {sa.make_url(on_postgres.access.reveal(on_postgres.url)).database} SET "
        f"timezone TO 'Europe/Warsaw'"
    )
    on_postgres.execute(f"CREATE TABLE reviews (id INTEGER, text TEXT, label TEXT, stamp {type_})")
    source = on_postgres.source(**GROWING)
    pieces = list[Partition]()
    for number, value in enumerate(values):
        on_postgres.execute(f"INSERT INTO reviews VALUES ({number}, 'ta', 'pos', '{value}')")
        pieces = on_postgres.pieces(source, *pieces)
        assert len(pieces) == number + 1
        assert on_postgres.pieces(source, *pieces) == pieces
        assert [row[2] for row in on_postgres.read(source, pieces)] == list(range(number + 1))
    due = {
        tuple(row.values())
        for table in source.stamps(on_postgres.access, pieces[-1])
        for row in table.to_pylist()
    }
    assert due == pairs(source, pieces, on_postgres.access)


def test_watermark_of_an_inexact_type_raises(on_postgres: Database) -> None:
    on_postgres.execute("CREATE TABLE reviews AS SELECT 1 AS id, 0.1::real AS stamp")
    with pytest.raises(RowError, match=r"watermark stamp: no row equals its largest value 0\.1"):
        on_postgres.pieces(on_postgres.source(**GROWING))


def test_time_zone_aware_times_keep_their_microseconds(on_postgres: Database) -> None:
    on_postgres.execute(
        "CREATE TABLE reviews (id INTEGER PRIMARY KEY, stamp timestamptz DEFAULT clock_timestamp())"
    )
    source = on_postgres.source(**GROWING)
    on_postgres.execute("INSERT INTO reviews SELECT generate_series(1, 1000)")
    [piece] = on_postgres.pieces(source)
    top = datetime.fromisoformat(json.loads(piece.mark or "")[2][1])
    assert abs(datetime.now(UTC) - top) < timedelta(minutes=5)
    assert len(on_postgres.read(source, [piece], {"key": "id"})) == 1000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "UPDATE reviews SET stamp = NULL WHERE id > 1",
            "watermark 'stamp' has no value in 2 rows of table reviews",
        ),
        (
            "INSERT INTO reviews VALUES (2, 'a', 'b', 5)",
            "key 'id' must name one row, got '2' in several rows of table reviews",
        ),
        (
            "INSERT INTO reviews VALUES (NULL, 'a', 'b', 5)",
            "key 'id' has no value in 1 rows of table reviews",
        ),
    ],
)
def test_rows_without_a_usable_key_or_watermark_raise(
    db: Database, change: str, message: str
) -> None:
    db.execute("CREATE TABLE reviews (id INTEGER, text TEXT, label TEXT, stamp INTEGER)")
    db.insert((1, "lumo ta", "pos", 10), (2, "grak mi", "neg", 20), (3, "vek", "neg", 20))
    db.execute(change)
    with pytest.raises(RowError, match=re.escape(message)):
        db.pieces(db.source(**GROWING))


def test_key_of_bytes_raises(db: Database) -> None:
    column = "BLOB" if db.kind == "sqlite" else "BYTEA"
    db.execute(f"CREATE TABLE reviews (id {column}, stamp INTEGER)")
    db.insert((b"\xff", 1))
    with pytest.raises(RowError, match="key 'id' must hold numbers, text or times, got binary"):
        db.pieces(db.source(**GROWING))


def test_missing_column_raises_with_the_nearest_name(shop: Database) -> None:
    source = shop.source(table="reviews")
    with pytest.raises(RowError, match=r"table reviews has no column 'labl': did you mean label\?"):
        list(source.tables(shop.pieces(source)[0], {"label": "labl"}, shop.access))
    with pytest.raises(RowError, match=r"table reviews has no column 'stmp': did you mean stamp\?"):
        shop.pieces(shop.source(**GROWING | {"watermark": "stmp"}))


def test_missing_table_raises_with_the_nearest_name(shop: Database) -> None:
    source = shop.source(table="review")
    with pytest.raises(RowError, match=r"there is no table 'review': did you mean reviews\?"):
        list(source.tables(shop.pieces(source)[0], COLUMNS, shop.access))


def test_missing_table_in_a_schema_raises_with_the_nearest_name(shop: Database) -> None:
    schema = "main" if shop.kind == "sqlite" else "public"
    with pytest.raises(
        RowError, match=rf"there is no table '{schema}.review': did you mean {schema}.reviews\?"
    ):
        shop.pieces(shop.source(**GROWING | {"table": f"{schema}.review"}))


def test_invalid_query_raises_row_error_in_one_line(db: Database) -> None:
    source = db.source(query="SELEC 1")
    with pytest.raises(
        RowError, match=r"^query of the database .* cannot be read: .*syntax error.*$"
    ) as caught:
        list(source.tables(db.pieces(source)[0], COLUMNS, db.access))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "expected one of table and query, got neither"),
        ({"table": "a", "query": "b"}, "expected one of table and query, got both"),
        ({"table": "a", "split": "dev"}, "there is no split 'dev'"),
        ({"table": "a", "watermark": "w"}, "watermark 'w' needs key.*cannot be recognized"),
        (
            {"table": "a", "url": "reviews.db"},
            "url is not the address of a database: expected one like postgresql",
        ),
    ],
)
def test_invalid_entry_raises(fields: dict[str, str], message: str) -> None:
    with pytest.raises(RowError, match=message):
        Sql(**{"url": "sqlite:///a.db", **fields})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://reader:hunter2@host/shop", "postgresql://reader:x${env:PW}hunter2@host/shop", "mysql://reader:hunter2@host",
        "postgresql://host/shop?user=reader&password=hunter2", "mssql+pyodbc://?odbc_connect=DRIVER%3Dx;PWD%3Dhunter2",
    ],
)  # fmt: skip
def test_literal_password_in_the_address_raises_without_repeating_it(url: str) -> None:
    with pytest.raises(RowError, match=r"write it as \$\{env:NAME\}") as caught:
        Sql(url=url, table="reviews")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "${env:SHOP}", "${secret:shop-database}", "postgresql://${env:USER}:${env:PW}@${env:HOST}:${env:PORT}/${env:NAME}",
        "postgresql://reader@host/shop?password=${env:PW}", "sqlite:///reviews.db", "sqlite:///${env:FOLDER}/reviews.db",
    ],
)  # fmt: skip
def test_secret_references_may_be_anywhere_in_the_address(url: str) -> None:
    assert Sql(url=url, table="reviews").url == url


def test_secrets_in_parts_may_contain_any_character(server: Server, tmp_path: Path) -> None:
    access = secret_access(tmp_path, USER=server.user, PW=server.password, PORT=str(server.port))
    source = Sql(
        url="postgresql://${env:USER}:${env:PW}@127.0.0.1:${env:PORT}/postgres",
        query="SELECT 'ta' AS text",
        key="text",
    )
    assert [key for batch in source.keys(access) for key in batch.to_pylist()] == ["ta"]


@pytest.mark.parametrize("is_whole", [True, False])
def test_wrong_password_error_hides_the_password(
    server: Server, tmp_path: Path, is_whole: bool
) -> None:
    wrong = "hunter2-wrong"
    url = server.url(wrong)
    access = secret_access(tmp_path, SHOP=url, PW=wrong)
    source = Sql(
        url="${env:SHOP}" if is_whole else server.url("${env:PW}"), table="reviews", key="id"
    )
    with pytest.raises(
        DatabaseError, match=r"cannot connect to the database .*password authentication failed"
    ) as caught:
        list(source.keys(access))
    assert wrong not in str(caught.value)
    assert caught.value.__suppress_context__
    assert wrong not in repr(source)


def test_server_without_an_answer_raises_os_error(tmp_path: Path) -> None:
    source = Sql(url="postgresql://reader:${env:PW}@127.0.0.1:9/shop", table="reviews")
    with pytest.raises(
        DatabaseError, match=r"cannot connect to the database .*refused.*Look at the address"
    ):
        list(
            source.tables(
                source.pieces(Access(tmp_path), [])[0],
                COLUMNS,
                secret_access(tmp_path, PW="hunter2"),
            )
        )
    assert issubclass(DatabaseError, OSError)


def test_server_that_disconnects_raises_os_error(on_postgres: Database) -> None:
    on_postgres.execute("CREATE TABLE reviews AS SELECT i AS id FROM generate_series(1, 30000) i")
    source = on_postgres.source(table="reviews", key="id")
    tables = source.tables(on_postgres.pieces(source)[0], {"key": "id"}, on_postgres.access)
    next(tables)
    on_postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'FETCH%%' AND "
        "pid <> pg_backend_pid()"
    )
    with pytest.raises(DatabaseError, match="failed while table reviews was read"):
        list(tables)


def test_locked_sqlite_file_raises_os_error(on_sqlite: Database) -> None:
    on_sqlite.execute("CREATE TABLE reviews (id INTEGER, stamp INTEGER)")
    path = sa.make_url(on_sqlite.url).database
    blocker = sqlite3.connect(str(path))
    blocker.execute("PRAGMA locking_mode = EXCLUSIVE")
    blocker.execute("BEGIN EXCLUSIVE")
    source = Sql(url=on_sqlite.url + "?timeout=0.1", **GROWING)
    try:
        with pytest.raises(DatabaseError, match="database is locked"):
            source.pieces(on_sqlite.access, [])
    finally:
        blocker.close()


def test_missing_sqlite_file_is_not_created(tmp_path: Path) -> None:
    source = Sql(url=f"sqlite:///{tmp_path}/none.db", table="reviews", key="id")
    with pytest.raises(RowError, match="there is no SQLite file"):
        list(source.keys(Access(tmp_path)))
    assert not list(tmp_path.iterdir())


def test_relative_sqlite_path_is_not_changed(
    on_sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(on_sqlite.access.downloads)
    source = Sql(url="sqlite:///shop.db", query="SELECT 1 AS id", key="id")
    assert [batch.to_pylist() for batch in source.keys(on_sqlite.access)] == [["1"]]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "postgresql://host/shop",
            r"need psycopg, which is not installed: make extras, or pip install "
            r"'refrain-rnn\[postgres\]'",
        ),
        (
            "postgres://host/shop",
            r"need psycopg, which is not installed: make extras, or pip install "
            r"'refrain-rnn\[postgres\]'",
        ),
        (
            "postgresql+psycopg://host/shop",
            r"need psycopg, which is not installed: make extras, or pip install "
            r"'refrain-rnn\[postgres\]'",
        ),
        (
            "postgresql+psycopg2://host/shop",
            "need psycopg2, which is not installed: pip install psycopg2",
        ),
        ("shopbase://host/shop", "no dialect and driver 'shopbase'"),
        ("postgresql+asyncpg://host/shop", "asyncio; expected one without"),
    ],
)
def test_missing_driver_raises_with_its_name(
    url: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    source = Sql(url=url, table="reviews", key="id")
    with pytest.raises(RowError, match=message):
        list(source.keys(Access(tmp_path)))


def test_missing_postgres_fails_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("tests.postgres.DEBIAN", tmp_path)
    with pytest.raises(FileNotFoundError, match="apt-get install postgresql"):
        find_postgres(tmp_path)
