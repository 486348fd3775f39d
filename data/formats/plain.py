"""Plain text: a row for each line, for each paragraph, or for a whole file."""

from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

import numpy as np
import pyarrow as pa

from data.errors import RowError
from data.formats.base import Columns, FormatKind, as_table
from data.formats.encoding import utf8_blocks
from data.formats.lines import (
    LONGEST_BYTES,
    as_lines,
    is_blank,
    join_lines,
    line_blocks,
    line_groups,
)


def read_text(
    streams: Sequence[IO[bytes]], columns: Columns, options: Mapping[str, Any]
) -> Iterator[pa.Table]:
    """Read plain text, numbered by lines, without blank rows.

    Args:
        streams: One.
        columns: Not read: the one role is ``text``.
        options: ``unit``, one of line, paragraph (up to a blank line) or
            file; ``encoding``.
    """
    read = {"line": _read_lines, "paragraph": _read_paragraphs, "file": _read_file}[options["unit"]]
    for texts, rows in read(streams[0], options["encoding"]):
        if len(texts):
            yield as_table({"text": texts}, rows)


def _read_lines(stream: IO[bytes], encoding: str) -> Iterator[tuple[pa.Array, Any]]:
    first = 1
    for block in line_blocks(stream, encoding):
        lines = as_lines(block)
        is_text = ~is_blank(lines)
        yield lines.filter(pa.array(is_text)), np.flatnonzero(is_text) + first
        first += len(lines)


def _read_paragraphs(stream: IO[bytes], encoding: str) -> Iterator[tuple[pa.Array, Any]]:
    for first, lines in line_groups(stream, encoding, is_blank, "paragraph"):
        filled = np.flatnonzero(~is_blank(lines))
        starts = np.flatnonzero(np.diff(filled, prepend=-2) > 1)  # a gap starts a paragraph
        yield join_lines(lines.take(pa.array(filled)), starts), filled[starts] + first


def _read_file(stream: IO[bytes], encoding: str) -> Iterator[tuple[pa.Array, Any]]:
    blocks = []
    num_bytes = 0
    for block in utf8_blocks(stream, encoding):
        blocks.append(block)
        num_bytes += len(block)
        if num_bytes > LONGEST_BYTES:
            raise RowError(
                f"is longer than {LONGEST_BYTES:,} bytes, expected a text that fits into a row: "
                "unit line or paragraph"
            )
    text = b"".join(blocks).decode().replace("\r\n", "\n").removesuffix("\n")
    if text.strip():
        yield pa.array([text]), [1]


FORMATS = {
    "text": FormatKind(
        read_text,
        {"unit": "line", "encoding": "utf-8"},
        {"unit": ("line", "paragraph", "file")},
        columns="none",
        shapes=(("text",),),
    )
}
