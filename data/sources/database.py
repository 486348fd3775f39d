"""Connections to databases: addresses with references to secrets, and errors without them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from data.errors import RowError
from data.sources.base import Access

TIMEOUT_SECONDS = 10  # for a server that does not answer; the system's own limit is minutes
TIMED = {"psycopg", "psycopg2", "pymysql", "mysqldb"}  # drivers that know connect_timeout
# SQLAlchemy 2.0 would take psycopg2, which is no extra of this package.
WITHOUT_DRIVER = {"postgresql", "postgres"}
REPEATABLE = {"postgresql", "mysql", "mariadb"}
REFERENCE = re.compile(r"\$\{[^{}]*\}")
# Replaces a reference while an address is parsed: digits are valid in each part of one.
STAND_IN = "7316110{:04}"
SECRET_OPTION = re.compile(r"pass|pwd|secret|token", re.IGNORECASE)


class DatabaseError(OSError):
    """The database could not be reached, or the connection broke; a retry may succeed."""


def check_secrets(url: str) -> None:
    """Reject an address with a password that is no reference such as ``${env:NAME}``.

    Raises:
        RowError: If there is one, or the address is invalid; repeats neither.
    """
    if REFERENCE.fullmatch(url):
        return
    read = _with_stand_ins(url, "url")
    secret = [
        value
        for name, value in read.query.items()
        if SECRET_OPTION.search(name + str(value) * ("=" in str(value)))
    ]
    for value in [read.password or "", *map(str, secret)]:
        if value and value not in _stand_ins(url):
            raise RowError(
                "a password stands in url; write it as ${env:NAME}, "
                "and set that variable where the flow runs"
            )


@contextmanager
def connected(url: str, origin: str, access: Access) -> Iterator[sa.Connection]:
    """Connect read-only, to one state of the database where it supports that.

    Args:
        url: Of SQLAlchemy, with references.
        origin: Name of the table or query, for messages.
        access: Reveals and hides the values of the references.

    Raises:
        DatabaseError: If the database cannot be reached or is lost.
        RowError: If the address is wrong, or the database rejects a statement.
    """
    known = _revealed(url, access)
    access.permissions.check_database(
        known.drivername, known.host or "", known.database or "", known.query, origin
    )
    engine = _engine(known, url)
    try:
        connection = engine.connect()
    except SQLAlchemyError as error:
        help_ = "Look at the address, the user, the password and the network"
        raise DatabaseError(
            f"cannot connect to the database {url}: {_message(error, known, access)}. {help_}"
        ) from None
    with connection:
        try:
            _begin(connection)
            yield connection
        except SQLAlchemyError as error:
            message = _message(error, known, access)
            if _may_pass(error):
                raise DatabaseError(
                    f"the database {url} failed while {origin} was read: {message}"
                ) from None
            raise RowError(f"{origin} of the database {url} cannot be read: {message}") from None


def _begin(connection: sa.Connection) -> None:
    """Begin a read-only transaction that sees one state of the database."""
    dialect = connection.dialect.name
    if dialect in REPEATABLE:
        connection.execution_options(isolation_level="REPEATABLE READ")
    if dialect == "postgresql":
        connection.execution_options(postgresql_readonly=True)
    if dialect == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")
        # Python's driver begins a transaction at the first change, which never comes.
        connection.exec_driver_sql("BEGIN")


def _engine(url: sa.URL, named: str) -> sa.Engine:
    """Make an engine with the dialect and driver of an address.

    Raises:
        RowError: If the dialect, the driver or the file of an SQLite database is missing.
    """
    if url.drivername in WITHOUT_DRIVER:
        url = url.set(drivername="postgresql+psycopg")
    is_timed = url.drivername.partition("+")[2] in TIMED
    options = (
        {"connect_timeout": TIMEOUT_SECONDS}
        if is_timed and "connect_timeout" not in url.query
        else {}
    )
    try:
        engine = sa.create_engine(
            url, poolclass=NullPool, hide_parameters=True, connect_args=options
        )
    except NoSuchModuleError:
        raise RowError(
            f"SQLAlchemy has no dialect and driver {url.drivername!r}: look at the begin of {named}"
        ) from None
    except ImportError as error:
        raise _missing_driver(url, error.name or "the driver") from None
    if engine.dialect.is_async:
        raise RowError(
            f"{named} names a driver for asyncio; expected one without, such as postgresql+psycopg"
        )
    path = url.database
    if (
        engine.dialect.name == "sqlite"
        and path
        and not path.startswith((":", "file:"))
        and not Path(path).is_file()
    ):
        # SQLite would make an empty one.
        raise RowError(f"there is no SQLite file {path if path in named else named}")
    return engine


def _missing_driver(url: sa.URL, missing: str) -> RowError:
    command = f"pip install {missing}"
    if missing in ("psycopg", "psycopg_binary"):
        command = "make extras, or pip install 'refrain-rnn[postgres]'"
    return RowError(f"{url.drivername} addresses need {missing}, which is not installed: {command}")


def _message(error: SQLAlchemyError, url: sa.URL, access: Access) -> str:
    """Write the driver's message in one line, without the password.

    The password is hidden apart, because it may be part of a longer secret.
    """
    text = " ".join(str(getattr(error, "orig", None) or error).split())
    text = access.hide(text.partition(" (Background on this error")[0])
    password = str(url.password or "")
    for written in {password, quote(password, safe=""), quote_plus(password)} - {""}:
        text = text.replace(written, "***")
    return text.rstrip(".")


def _may_pass(error: SQLAlchemyError) -> bool:
    """Whether the database failed, and not the statement."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    is_statement = getattr(getattr(error, "orig", None), "sqlite_errorname", "") == "SQLITE_ERROR"
    return isinstance(error, OperationalError) and not is_statement


def _parsed(url: str, named: str) -> sa.URL:
    try:
        return sa.make_url(url)
    except (SQLAlchemyError, ValueError):
        raise RowError(
            f"{named} is not the address of a database: expected one like "
            "postgresql://reader:${env:NAME}@host:5432/database or sqlite:///path"
        ) from None


def _stand_ins(url: str) -> dict[str, str]:
    references = REFERENCE.findall(url)
    return {STAND_IN.format(index): reference for index, reference in enumerate(references)}


def _with_stand_ins(url: str, named: str) -> sa.URL:
    for stand_in, reference in _stand_ins(url).items():
        url = url.replace(reference, stand_in, 1)
    return _parsed(url, named)


def _revealed(url: str, access: Access) -> sa.URL:
    """Put secrets into the parts of an address, so that no character ends a part."""
    if REFERENCE.fullmatch(url):
        return _parsed(access.reveal(url), url)
    values = {stand_in: access.reveal(reference) for stand_in, reference in _stand_ins(url).items()}

    def filled(part: Any) -> str:
        text = str(part or "")
        for stand_in, value in values.items():
            text = text.replace(stand_in, value)
        return text

    read = _with_stand_ins(url, url)
    query = {
        name: tuple(map(filled, value)) if isinstance(value, tuple) else filled(value)
        for name, value in read.query.items()
    }
    port = filled(read.port)
    if port and not port.isdecimal():
        raise RowError(f"the port in {url} must be a number")
    return sa.URL.create(
        filled(read.drivername),
        filled(read.username) or None,
        filled(read.password) or None,
        filled(read.host) or None,
        int(port) if port else None,
        filled(read.database) or None,
        query,
    )
