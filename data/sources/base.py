"""Sources: where rows come from, listed as partitions that are read one by one.

Every module of ``data/sources`` with a ``SOURCE`` holds one class that
satisfies ``ByteSource`` or ``TableSource``; a table that grows by a watermark
satisfies ``GrowingSource`` as well. A test checks each of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, ClassVar, Protocol, runtime_checkable

import pyarrow as pa

from data.sources.permissions import ALL, Permissions


@dataclass(frozen=True, kw_only=True)
class Partition:
    """A partition of a source: a file, two parallel files or a range of a table.

    Attributes:
        split: ``train``, ``validation``, ``test``, or ``all`` where we make the splits.
        name: How messages and reports call it.
        version: Equal names and versions promise equal rows; empty if only
            reading shows whether the rows changed.
        is_kept: Whether its checked rows are stored, because a later snapshot
            may hold the same partition beside new ones.
        mark: Where the next partition of a growing table begins; None elsewhere.
        location: What the source needs to open it; no other code reads it.
    """

    split: str
    name: str
    version: str
    is_kept: bool = False
    mark: str | None = None
    location: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Access:
    """The resources of a source: a folder for downloads, and the values of secrets.

    ``reveal`` replaces the references in a text by the values of the secrets;
    ``hide`` removes those values from a message; ``permissions`` has the paths
    and hosts that may be read.
    """

    downloads: Path
    reveal: Callable[[str], str] = str
    hide: Callable[[str], str] = str
    permissions: Permissions = ALL


class Source(Protocol):
    """Where rows come from: a frozen dataclass whose fields are the keys of its catalog entry."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    has_format: ClassVar[bool]  # whether the source gives bytes, which a format reads

    def pieces(self, access: Access, known: Sequence[Partition]) -> list[Partition]:
        """List the partitions to read now, in reading order, test before train.

        Args:
            access: Downloads and secrets.
            known: The stored partitions of the last snapshot. A source that
                detects new rows lists those that still exist again, then adds
                the new ones.

        Raises:
            RowError: If the source does not have what the catalog entry names.
            OSError: If the source cannot be reached.
        """


@runtime_checkable
class ByteSource(Source, Protocol):
    """A source of files, which a format reads; its ``has_format`` is true."""

    def open(
        self, partition: Partition, access: Access
    ) -> AbstractContextManager[Sequence[IO[bytes]]]:
        """Open a partition: one stream of bytes, or two where its rows lie in parallel files.

        Raises:
            RowError: If a file is damaged.
            OSError: If a file cannot be read.
        """


@runtime_checkable
class TableSource(Source, Protocol):
    """A source of tables with named columns, which need no format; ``has_format`` is false."""

    def tables(
        self, partition: Partition, columns: Mapping[str, str], access: Access
    ) -> Iterator[pa.Table]:
        """Read a partition in batches of constant size.

        Args:
            partition: One of those that ``pieces`` listed.
            columns: Role (text, label, key ...) to the name of a column of the source.
            access: Downloads and secrets.

        Yields:
            Tables with one column per role, named by the role, of any type.

        Raises:
            RowError: If there is no such column, with the nearest name.
            OSError: If the source cannot be reached.
        """


@runtime_checkable
class GrowingSource(TableSource, Protocol):
    """A table whose new and changed rows are found by a watermark.

    Its partitions have a ``mark`` where the catalog entry names a watermark.
    The methods below need that watermark and the key, but for ``state``.
    """

    def keys(self, access: Access) -> Iterator[pa.Array]:
        """Read the keys of all rows in the source now, as text, in batches.

        Raises:
            RowError: If the catalog entry names no key.
            OSError: If the source cannot be reached.
        """

    def stamps(
        self, access: Access, until: Partition, *, is_alone: bool = False
    ) -> Iterator[pa.Table]:
        """Read key and watermark, as text, of the rows in the source now.

        Args:
            access: Downloads and secrets.
            until: The partition whose watermark is the upper end.
            is_alone: Start at the lower end of ``until``, not at the first row.
        """

    def state(self, access: Access) -> str:
        """Digest all keys and watermarks: equal as long as no row comes, changes or goes.

        Empty without a watermark: then only reading shows whether the rows changed.
        """
