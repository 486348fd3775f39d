"""Reads bytes with a format, as the tests of all formats do."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from random import Random
from typing import Any
from unittest.mock import patch

from data.formats.base import NOTES, TEXT, TOKENS, all_formats

FAULTS = ("kind", "reason", "raw")


class ShortReads(io.RawIOBase):
    """A stream that cannot seek and gives fewer bytes than requested, as a network does."""

    def __init__(self, content: bytes, seed: int) -> None:
        self.content = io.BytesIO(content)
        self.random = Random(seed)

    def read(self, size: int = -1) -> bytes:
        return self.content.read(self.random.randint(1, max(size, 1)) if size > 0 else size)


@contextmanager
def small_blocks(size: int) -> Iterator[None]:
    """Make the blocks that files of lines are read in small."""
    with ExitStack() as stack:
        for name, num in {
            "formats.encoding.BLOCK_BYTES": size,
            "formats.jsonl.SMALLEST_BYTES": size,
            "formats.jsonl.CHUNK_BYTES": 256,
        }.items():
            stack.enter_context(patch(f"data.{name}", num))
        yield


def read(
    kind: str,
    content: bytes | Sequence[bytes],
    columns: Mapping[str, str | int],
    *,
    seed: int | None = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """Read rows with a format, and check what every table of every format promises."""
    contents = [content] if isinstance(content, bytes) else content
    streams: list[Any] = [
        io.BytesIO(each) if seed is None else ShortReads(each, seed) for each in contents
    ]
    form = all_formats()[kind]
    rows: list[dict[str, Any]] = []
    for table in form.rows(streams, columns, {**form.options, "kind": kind, **options}):
        for role in set(table.column_names) - {"row", *FAULTS}:
            assert table.schema.field(role).type == (TOKENS if role in ("tokens", "tags") else TEXT)
        assert str(table.schema.field("row").type) == "int64"
        rows += [row for row in table.to_pylist() if row["kind"] not in NOTES]
    for row in rows:
        is_null = {row[name] is None for name in FAULTS}
        assert len(is_null) == 1
        assert is_null == {True} or all(
            value is None for name, value in row.items() if name not in ("row", *FAULTS)
        )
    return rows


def values(rows: Sequence[Mapping[str, Any]], *columns: str) -> list[Any]:
    """Some columns of rows: tuples, or the values themselves of one column."""
    return [
        row[columns[0]] if len(columns) == 1 else tuple(row[column] for column in columns)
        for row in rows
    ]
