"""Bytes in any encoding to UTF-8, in blocks, with marks for bytes that are not valid."""

import codecs
import logging
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from encodings.aliases import aliases
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from charset_normalizer import from_bytes

from data.errors import RowError
from data.sources.first_bytes import Opened

# Stands for a byte that is not valid, two hex digits after it: a noncharacter, which no real text holds.
BROKEN = "\U0010ffff"
BLOCK_BYTES = 1 << 21
SAMPLE_BYTES = 1 << 18  # enough for a guess at the encoding
DETECT = "detect"
# A mark of UTF-32 begins with that of UTF-16, so it comes first.
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
COMMON = (
    "utf-8",
    "utf-16",
    "cp1252",
    "latin-1",
    "gb18030",
    "big5",
    "shift_jis",
    "euc_kr",
    "koi8_r",
    DETECT,
)
# What files of texts are in; with all code pages to choose from, French is taken for mac_latin2.
PLAUSIBLE = [
    *(
        "utf_16_le",
        "utf_16_be",
        "gb18030",
        "big5",
        "shift_jis",
        "cp932",
        "euc_jp",
        "euc_kr",
        "cp949",
        "koi8_r",
        "cp874",
    ),
    *(f"cp125{number}" for number in range(9)),
]
# Codecs of Python that are no encodings of files of text.
NO_TEXT = {
    "idna",
    "punycode",
    "undefined",
    "raw_unicode_escape",
    "unicode_escape",
    "utf_7",
    "mbcs",
    "oem",
}
_ESCAPES = 0xDC00  # half a surrogate pair stands for each byte that is not valid, as in Python's surrogateescape
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8).astype(np.uint32)
_MARK = re.compile(rb"(?<=[\r\n])(?:\xef\xbb\xbf)+")
_SHOWN = re.compile(BROKEN + "([0-9a-f]{2})")
logger = logging.getLogger(__name__)


def _escape(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "".join(
        chr(_ESCAPES + byte) for byte in error.object[error.start : error.end]
    ), error.end


# Python's own refuses bytes below 128, of which a broken character of UTF-16 may consist.
codecs.register_error("refrain.escape", _escape)


def check_encoding(name: str) -> None:
    """Check the name of an encoding; ``detect`` is one too.

    Raises:
        ValueError: If there is none of that name, with the nearest.
    """
    if name != DETECT and not _is_encoding(name):
        known = [*COMMON, *(alias.replace("_", "-") for alias in aliases if _is_encoding(alias))]
        close = get_close_matches(name.lower().replace("_", "-"), known, n=1)
        hint = (
            f"did you mean {close[0]}?"
            if close
            else f"expected {', '.join(COMMON)} or another that Python knows"
        )
        raise ValueError(f"there is no encoding {name!r}: {hint}")


def _is_encoding(name: str) -> bool:
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):  # ValueError: a name with a null character
        return False
    # Python marks its bytes-to-bytes codecs (base64, zlib) by this name alone.
    return bool(found._is_text_encoding) and found.name.replace("-", "_") not in NO_TEXT


def utf8_blocks(stream: IO[bytes], encoding: str = "utf-8") -> Iterator[bytes]:
    r"""Read a stream as UTF-8, whatever its encoding, in blocks of about ``BLOCK_BYTES``.

    A byte order mark is taken away, at the start of a later line too. Where ``encoding`` is UTF-8, that of
    UTF-16 or UTF-32 overrides it. Each byte that is not valid comes out as
    ``BROKEN`` and its two hex digits. No character is cut by a block's end.

    Args:
        stream: Of bytes; its reads may be short.
        encoding: A name that Python knows, or ``detect``.

    Raises:
        RowError: If the encoding is to be detected and cannot be, or if it
            lacks the byte order mark that it needs.
        ValueError: If there is no such encoding.
    """
    check_encoding(encoding)
    blocks = _full_blocks(stream, SAMPLE_BYTES if encoding == DETECT else 4)
    first = next(blocks, b"")
    name = _encoding_of(first, encoding)
    blocks = _joined(first.removeprefix(codecs.BOM_UTF8) if name == "utf-8" else first, blocks)
    return _without_marks(_checked(blocks) if name == "utf-8" else _decoded(blocks, name), stream)


def _without_marks(blocks: Iterable[bytes], stream: Any) -> Iterator[bytes]:
    """Take away byte order marks at the start of a line, where files were joined, and count them if ``stream`` does."""
    is_start = True
    for block in blocks:
        if codecs.BOM_UTF8 in block:
            size = len(block)
            block = _MARK.sub(b"", block.removeprefix(codecs.BOM_UTF8) if is_start else block)
            if isinstance(stream, Opened):
                stream.num_marks += (size - len(block)) // len(codecs.BOM_UTF8)
        if block:
            is_start = block.endswith((b"\n", b"\r"))
            yield block


def _full_blocks(stream: IO[bytes], least: int) -> Iterator[bytes]:
    """Read blocks of full size, but for the last; the first has at least ``least`` bytes."""
    size, parts, num = max(BLOCK_BYTES, least), list[bytes](), 0
    while part := stream.read(size - num):
        parts.append(part)
        num += len(part)
        if num >= size:
            yield b"".join(parts)
            size, parts, num = BLOCK_BYTES, [], 0
    if parts:
        yield b"".join(parts)


def _joined(first: bytes, blocks: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from blocks


def _encoding_of(sample: bytes, encoding: str) -> str:
    """Settle on an encoding by its name, by a byte order mark, or by what the bytes look like."""
    is_default = encoding == DETECT or codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
    found = _byte_order(sample) if is_default else None
    if found is None and encoding != DETECT:
        _check_mark(sample, encoding)
        return "utf-8" if is_default else encoding
    if found is None:
        sample = sample[:SAMPLE_BYTES]
        found = suggest_encoding(sample)
        if found is None:
            raise RowError(
                f"the encoding cannot be told from {len(sample):,} bytes: name it, such as {', '.join(COMMON[:4])}"
            )
    if found != "utf-8":
        logger.info(
            "read as %s, by %s",
            found,
            "its byte order mark" if _byte_order(sample) else f"its first {len(sample):,} bytes",
        )
    return found


def _check_mark(sample: bytes, encoding: str) -> None:
    """Refuse UTF-16 and UTF-32 of which neither a mark nor the name says the order of bytes."""
    name = codecs.lookup(encoding).name
    marks = tuple(mark for mark, known in BYTE_ORDER_MARKS.items() if known == name != "utf-8")
    if marks and sample and not sample.startswith(marks):
        raise RowError(
            f"has no byte order mark, expected one of {name}: else name {name}-le or {name}-be"
        )


def _byte_order(sample: bytes) -> str | None:
    return next((name for mark, name in BYTE_ORDER_MARKS.items() if sample.startswith(mark)), None)


def suggest_encoding(sample: bytes) -> str | None:
    """Tell the encoding that bytes look like; None if they look like none of the common ones.

    What is valid UTF-8 is taken for it. Where a western text fits cp1252 as
    well as any other code page, it is taken for that.
    """
    named = _byte_order(sample)
    if named is not None:
        return named
    has_nulls = (
        sample.count(0) > len(sample) // 8
    )  # UTF-16 without a mark; in ASCII letters, valid UTF-8 too
    if not has_nulls and _is_valid(sample[: len(sample) - _num_cut(sample)]):
        return "utf-8"
    matches = from_bytes(
        sample[: sample.rfind(b"\n") + 1 - has_nulls] or sample, cp_isolation=PLAUSIBLE
    )
    best = matches.best()
    if best is None:
        return None
    alike = {
        name
        for match in matches
        if match.chaos <= best.chaos
        for name in match.could_be_from_charset
    }
    return "cp1252" if "cp1252" in alike else best.encoding


def _checked(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Pass valid UTF-8 through untouched, as nearly all of it is."""
    rest = b""
    for block in blocks:
        block = rest + block if rest else block
        cut = len(block) - _num_cut(block)
        block, rest = block[:cut], block[cut:]
        if block:
            yield (
                block if _is_valid(block) else _spelled_out(block.decode(errors="surrogateescape"))
            )
    if rest:
        yield _spelled_out(rest.decode(errors="surrogateescape"))


def _num_cut(block: bytes) -> int:
    """Count the bytes of a character that the end of a block cuts short."""
    for num, byte in enumerate(reversed(block[-3:]), 1):
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return num if num < length else 0
        if byte < 0x80:
            return 0
    return 0


def _is_valid(block: bytes) -> bool:
    """Check UTF-8 with Arrow, several times as fast as decoding it."""
    offsets = pa.py_buffer(np.array([0, len(block)], np.int64))
    text = pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, pa.py_buffer(block)])
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _decoded(blocks: Iterable[bytes], name: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(name)("refrain.escape")
    is_first = True
    for block, is_last in _with_last(blocks):
        text = decoder.decode(block, is_last)
        if is_first and text:
            text, is_first = text.removeprefix("\ufeff"), False
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
        return _spelled_out(text)


def _spelled_out(text: str) -> bytes:
    """Write each byte that was not valid as ``BROKEN`` and two hex digits."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    is_bad = (codes >= _ESCAPES) & (codes < _ESCAPES + 256)
    out = np.repeat(codes, np.where(is_bad, 3, 1))
    places = np.flatnonzero(is_bad)
    byte = codes[places] - _ESCAPES
    places = places + 2 * np.arange(len(places))
    out[places], out[places + 1], out[places + 2] = ord(BROKEN), _HEX[byte >> 4], _HEX[byte & 15]
    return out.tobytes().decode("utf-32-le").encode()


def marked(content: bytes) -> str:
    """Decode UTF-8 at once, with marks for bytes that are not valid."""
    return _spelled_out(content.decode(errors="surrogateescape")).decode()


def shown(text: str) -> str:
    r"""Write marked bytes for a person: ``caf\xe9``."""
    return _SHOWN.sub(r"\\x\1", text)


def shown_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    r"""Write marked bytes of a column of texts for a person."""
    return pc.replace_substring_regex(column, _SHOWN.pattern, r"\\x\1")


class ByteStream:
    """Blocks of bytes as a file that can be read once, from its start to its end."""

    closed = False  # asked for by pyarrow

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self.blocks, self.block, self.at = iter(blocks), b"", 0

    def read(self, size: int) -> bytes:
        """Read ``size`` bytes, fewer at the end only: a short block may hold no whole row."""
        parts, missing = list[bytes](), size
        while missing:
            if self.at == len(self.block):
                self.block, self.at = next(self.blocks, b""), 0
                if not self.block:
                    break
            part = self.block[self.at : self.at + missing]
            self.at += len(part)
            missing -= len(part)
            parts.append(part)
        return b"".join(parts)
