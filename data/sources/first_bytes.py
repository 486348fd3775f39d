"""The first bytes of a stream: whether it is empty, and what kind of file it is."""

import bz2
import gzip
import io
import lzma
import zipfile
from typing import IO, Any

HEAD_BYTES = 1 << 10
# These claim to seek, but read everything again from the start to go back.
COMPRESSED = (gzip.GzipFile, bz2.BZ2File, lzma.LZMAFile, zipfile.ZipExtFile)
SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bz2"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow"),
    (b"Obj\x01", "Avro"),
    (b"ORC", "ORC"),
    (b"%PDF-", "PDF"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old spreadsheet (xls)"),
    (b"SQLite format 3\x00", "SQLite"),
    (b"\x89HDF\r\n", "HDF5"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
)
PACKED = ("gzip", "zstd", "xz", "bz2", "zip", "tar")  # values of source.compression
TAR_MAGIC = b"ustar"
TAR_OFFSET = 257
SPREADSHEET = (b"[Content_Types].xml", b"_rels/", b"xl/")  # names of the first member of an xlsx
BZ2_LEVELS = b"123456789"
BZ2_MAGIC = (b"1AY&SY", b"\x17rE8P\x90")
SHOWN_CHARS = 40


class PeekedStream(io.RawIOBase):
    """A stream that is read from its start, with its first bytes known as ``head``.

    ``num_marks`` counts the byte order marks at the start of a later line, as
    in joined files; the reader of the text removes them and counts them here.
    """

    def __init__(self, stream: Any) -> None:
        """Read the first bytes of ``stream``."""
        super().__init__()
        self.stream = stream
        self.num_marks = 0
        parts: list[bytes] = []
        missing = HEAD_BYTES
        while missing and (part := stream.read(missing)):
            parts.append(part)
            missing -= len(part)
        self.head = b"".join(parts)
        self.rest = self.head

    def readable(self) -> bool:
        """Return true: the stream can be read."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Read up to ``size`` bytes."""
        if not self.rest:
            return bytes(self.stream.read() if size < 0 else self.stream.read(size))
        if size < 0:
            found = self.rest + bytes(self.stream.read())
            self.rest = b""
            return found
        found = self.rest[:size]
        self.rest = self.rest[size:]
        return found

    def from_start(self) -> IO[bytes]:
        """Return a stream for a reader that seeks: the original one, if it can seek."""
        if self.stream.seekable() and not isinstance(self.stream, COMPRESSED):
            self.stream.seek(0)
            return self.stream  # type: ignore[no-any-return]
        return self  # type: ignore[return-value]


def kind_of_bytes(head: bytes) -> str:
    """Name the kind of a file by its first bytes; empty if it is unknown."""
    if head[TAR_OFFSET : TAR_OFFSET + len(TAR_MAGIC)] == TAR_MAGIC:
        return "tar"
    found = next((name for sign, name in SIGNATURES if head.startswith(sign)), "")
    if found == "bz2" and not (head[3:4] in BZ2_LEVELS and head[4:10] in BZ2_MAGIC):
        return ""
    if found == "ORC" and b"\n" in head[:HEAD_BYTES] and is_text(head):
        return ""
    if found == "zip" and any(head[30:].startswith(name) for name in SPREADSHEET):
        return "a spreadsheet (xlsx)"
    return found


def is_text(head: bytes) -> bool:
    """Whether bytes are UTF-8 without control characters, as texts are."""
    text = head.decode(errors="replace")[:-1] or head.decode(errors="replace")
    return "\ufffd" not in text and all(
        sign.isprintable() or sign in "\t\n\r\x0c\ufeff" for sign in text
    )


def utf16_without_mark(head: bytes) -> str:
    """Name UTF-16 by its NULs in every second byte; empty for other bytes."""
    if len(head) < 8 or head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ""
    half = len(head) // 2
    for name, zeros, others in (
        ("utf-16-le", head[1::2], head[::2]),
        ("utf-16-be", head[::2], head[1::2]),
    ):
        if zeros.count(0) > 0.8 * half and others.count(0) < 0.1 * half:
            return name
    return ""


def first_words(head: bytes) -> str:
    """Return the beginning of a text for a message."""
    line = head.decode(errors="replace").lstrip("\ufeff").splitlines()
    return "".join(sign if sign.isprintable() else " " for sign in (line[0] if line else ""))[
        :SHOWN_CHARS
    ]
