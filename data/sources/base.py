"""What a source is: pieces that are read one by one, and what it may use to read them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, ClassVar, Protocol

import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What is read at once: a file, two parallel files, a stretch of a table.

    ``version`` tells whether it is still what it was: equal names and
    versions promise equal rows. ``is_kept`` says that its checked rows are
    worth keeping, for a later snapshot may hold the same piece beside new
    ones. ``mark`` is what the source must know to read on after it, such as
    the largest watermark; ``place`` is for the source alone.
    """

    split: str  # train, validation, test, or all if the split is made here
    name: str
    version: str
    is_kept: bool = False
    mark: str | None = None
    place: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Access:
    """What a source may use: a folder for downloads, and the values of secrets.

    ``reveal`` writes the values of secrets into a text that names them;
    ``hide`` takes them out of a message again.
    """

    downloads: Path
    reveal: Callable[[str], str] = str
    hide: Callable[[str], str] = str


class Source(Protocol):
    """Where rows come from; a frozen dataclass whose fields are the keys of its catalog entry."""

    def pieces(self, access: Access, known: Sequence[Piece]) -> list[Piece]:
        """List what there is to read now, in the order in which it is to be read, test before train.

        Args:
            access: What may be used.
            known: The pieces of the last snapshot whose rows are kept. A
                source that can tell what is new lists them again (or those
                that are still there) and adds what is new.
        """


class ByteSource(Source, Protocol):
    """A source of files, which a format reads."""

    has_format: ClassVar[bool] = True

    def open(self, piece: Piece, access: Access) -> AbstractContextManager[Sequence[IO[bytes]]]:
        """Open a piece: one stream of bytes, or two where its rows lie in parallel files."""


class TableSource(Source, Protocol):
    """A source of tables with named columns, which need no format."""

    has_format: ClassVar[bool] = False

    def tables(
        self, piece: Piece, columns: Mapping[str, str], access: Access
    ) -> Iterator[pa.Table]:
        """Read a piece in batches of constant size.

        Args:
            piece: One of ``pieces``.
            columns: Role (text, label, key ...) to name of a column of the source.
            access: What may be used.

        Yields:
            Tables with one column per role, by the role's name, of whatever
            type the source has.

        Raises:
            RowError: If there is no such column, with the nearest.
            OSError: If the source cannot be reached.
        """

    def keys(self, access: Access) -> Iterator[pa.Array] | None:
        """The keys that are in the source now, as text, in batches; None if it cannot tell which rows are gone."""
