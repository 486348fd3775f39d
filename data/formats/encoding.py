"""Bytes in any encoding to UTF-8, in blocks, with marks for bytes that are not valid."""

import codecs
import re
from collections.abc import Iterable, Iterator
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.formats.encoding_detection import (
    DETECT,
    SAMPLE_BYTES,
    check_encoding,
    encoding_of,
    is_utf8,
    num_cut,
)
from data.sources.first_bytes import PeekedStream

# Marks an invalid byte, with two hex digits behind it: a noncharacter, which no real text holds.
BROKEN = "\U0010ffff"
BLOCK_BYTES = 1 << 21
# Half a surrogate pair stands for each invalid byte, as in Python's surrogateescape.
_ESCAPES = 0xDC00
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8).astype(np.uint32)
_MARK = re.compile(rb"(?<=[\r\n])(?:\xef\xbb\xbf)+")
_SHOWN = re.compile(BROKEN + "([0-9a-f]{2})")


def _escape(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    broken = error.object[error.start : error.end]
    return "".join(chr(_ESCAPES + byte) for byte in broken), error.end


# Python's handler refuses bytes below 128, of which a broken character of UTF-16 may consist.
codecs.register_error("refrain.escape", _escape)


def utf8_blocks(stream: IO[bytes], encoding: str = "utf-8") -> Iterator[bytes]:
    r"""Read a stream as UTF-8, whatever its encoding, in blocks of about ``BLOCK_BYTES``.

    Byte order marks are removed, also at the start of a later line. Where
    ``encoding`` is UTF-8, a mark of UTF-16 or UTF-32 overrides it. Each
    invalid byte becomes ``BROKEN`` and its two hex digits. No character is
    cut by the end of a block.

    Args:
        stream: Of bytes; its reads may be short.
        encoding: A name that Python knows, or ``detect``.

    Raises:
        RowError: If the encoding cannot be detected, or lacks the byte order
            mark that it needs.
        ValueError: If there is no such encoding.
    """
    check_encoding(encoding)
    blocks = _full_blocks(stream, SAMPLE_BYTES if encoding == DETECT else 4)
    first = next(blocks, b"")
    name = encoding_of(first, encoding)
    blocks = _joined(first.removeprefix(codecs.BOM_UTF8) if name == "utf-8" else first, blocks)
    return _without_marks(_checked(blocks) if name == "utf-8" else _decoded(blocks, name), stream)


def _without_marks(blocks: Iterable[bytes], stream: Any) -> Iterator[bytes]:
    """Remove byte order marks at the start of a line, where files were joined.

    A ``PeekedStream`` counts them.
    """
    is_start = True
    for block in blocks:
        if codecs.BOM_UTF8 in block:
            size = len(block)
            block = _MARK.sub(b"", block.removeprefix(codecs.BOM_UTF8) if is_start else block)
            if isinstance(stream, PeekedStream):
                stream.num_marks += (size - len(block)) // len(codecs.BOM_UTF8)
        if block:
            is_start = block.endswith((b"\n", b"\r"))
            yield block


def _full_blocks(stream: IO[bytes], least: int) -> Iterator[bytes]:
    """Read blocks of full size, but for the last; the first has at least ``least`` bytes."""
    size = max(BLOCK_BYTES, least)
    parts: list[bytes] = []
    num = 0
    while part := stream.read(size - num):
        parts.append(part)
        num += len(part)
        if num >= size:
            yield b"".join(parts)
            size = BLOCK_BYTES
            parts = []
            num = 0
    if parts:
        yield b"".join(parts)


def _joined(first: bytes, blocks: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from blocks


def _checked(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Pass valid UTF-8 on unchanged; nearly all blocks are valid."""
    rest = b""
    for block in blocks:
        block = rest + block if rest else block
        cut = len(block) - num_cut(block)
        rest = block[cut:]
        block = block[:cut]
        if block:
            is_valid = is_utf8(block)
            yield block if is_valid else _with_marks(block.decode(errors="surrogateescape"))
    if rest:
        yield _with_marks(rest.decode(errors="surrogateescape"))


def _decoded(blocks: Iterable[bytes], name: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(name)("refrain.escape")
    is_first = True
    for block, is_last in _with_last(blocks):
        text = decoder.decode(block, is_last)
        if is_first and text:
            text = text.removeprefix("\ufeff")
            is_first = False
        if text:
            yield _encoded(text)


def _with_last(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    for block in blocks:
        yield block, False
    yield b"", True


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _with_marks(text)


def _with_marks(text: str) -> bytes:
    """Write each invalid byte as ``BROKEN`` and two hex digits."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    is_bad = (codes >= _ESCAPES) & (codes < _ESCAPES + 256)
    out = np.repeat(codes, np.where(is_bad, 3, 1))
    positions = np.flatnonzero(is_bad)
    byte = codes[positions] - _ESCAPES
    positions = positions + 2 * np.arange(len(positions))
    out[positions] = ord(BROKEN)
    out[positions + 1] = _HEX[byte >> 4]
    out[positions + 2] = _HEX[byte & 15]
    return out.tobytes().decode("utf-32-le").encode()


def marked(content: bytes) -> str:
    """Decode UTF-8 at once, with marks for invalid bytes."""
    return _with_marks(content.decode(errors="surrogateescape")).decode()


def shown(text: str) -> str:
    r"""Write marked bytes for a person: ``caf\xe9``."""
    return _SHOWN.sub(r"\\x\1", text)


def shown_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    r"""Write marked bytes of a column of texts for a person."""
    return pc.replace_substring_regex(column, _SHOWN.pattern, r"\\x\1")


class ByteStream:
    """Blocks of bytes as a file that is read once, from start to end."""

    closed = False  # pyarrow reads it

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self.blocks = iter(blocks)
        self.block = b""
        self.position = 0

    def read(self, size: int) -> bytes:
        """Read ``size`` bytes, fewer at the end only: a short block may hold no whole row."""
        parts: list[bytes] = []
        missing = size
        while missing:
            if self.position == len(self.block):
                self.block = next(self.blocks, b"")
                self.position = 0
                if not self.block:
                    break
            part = self.block[self.position : self.position + missing]
            self.position += len(part)
            missing -= len(part)
            parts.append(part)
        return b"".join(parts)
