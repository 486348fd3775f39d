"""Compressed files and members of zip and tar archives, read without a copy where possible."""

import bz2
import gzip
import io
import lzma
import re
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any

import pyarrow as pa

from data.errors import RowError, nearest
from data.sources.clutter import is_clutter
from data.sources.first_bytes import HEAD_BYTES, first_words, is_text, kind_of_bytes
from data.sources.limits import UnpackedBytes, check_members

ARCHIVE = re.compile(r"\.(tar(\.\w+)?|tgz|tbz2?|txz|tzst)$", re.IGNORECASE)
SUFFIXES = {"gz": "gzip", "bz2": "bz2", "xz": "xz", "lzma": "xz", "zst": "zstd", "zip": "zip"}
READERS: dict[str, Callable[[Any], Any]] = {
    "gzip": lambda stream: gzip.GzipFile(fileobj=stream),
    "bz2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
    "zstd": lambda stream: pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd"),
}
COMPRESSIONS = ("infer", "none", *READERS, "zip", "tar")
# The first bytes of such files.
ZSTD = b"\x28\xb5\x2f\xfd"
ZIP = b"PK"
DAMAGE = (
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
    NotImplementedError,
)
COPY_BYTES = 1 << 20
SHOWN = 20  # names of members in a message


class ReadOnceStream(io.BufferedIOBase):
    """A stream that is read once, from its start."""

    def __init__(self, stream: Any, *below: Any) -> None:
        """Read ``stream``; closing it also closes the streams ``below``."""
        self.stream = stream
        self.below = below
        self.num_read = 0

    def readable(self) -> bool:
        """Return true: the stream can be read."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to ``size`` bytes."""
        part = bytes(self.stream.read() if size is None or size < 0 else self.stream.read(size))
        self.num_read += len(part)
        return part

    def close(self) -> None:
        """Close the stream and those below it."""
        for stream in (self.stream, *self.below):
            stream.close()
        super().close()


class UnpackedStream(ReadOnceStream):
    """A stream that is unpacked while it is read, with errors about damaged files."""

    def __init__(self, stream: Any, count: UnpackedBytes, *below: Any) -> None:
        """Count what is read; the count has the name for messages."""
        super().__init__(stream, *below)
        self.count = count

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to ``size`` bytes.

        Raises:
            RowError: If the file is damaged, or unpacks to more than the limits.
        """
        with _explain_damage(self.count.name):
            if size is None or size < 0:  # in parts, for one call would unpack it uncounted
                return b"".join(iter(lambda: self.read(COPY_BYTES), b""))
            part = super().read(size)
            self.count.add(len(part))
            return part


def kind_of(name: str) -> str:
    """Find the compression by the suffix of a name; the query of an address is ignored."""
    path = name.partition("?")[0] if "://" in name else name
    return "tar" if ARCHIVE.search(path) else SUFFIXES.get(path.lower().rpartition(".")[2], "none")


def unpacked(stream: Any, name: str, compression: str = "infer") -> IO[bytes]:
    """Unpack a file by its name or by ``compression``; of an archive, its only member.

    Raises:
        RowError: If an archive has several members, or the file is of another kind.
    """
    kind = kind_of(name) if compression == "infer" else compression
    if kind in ("zip", "tar"):
        stream = _seekable(stream)
        if not stream.read(1):
            return stream  # type: ignore[no-any-return]
        inner, member = _member(stream, None, name)
        return unpacked(inner, f"{name}!{member}")
    if kind == "none":
        return stream  # type: ignore[no-any-return]
    # Buffered, because a network may give fewer bytes than requested.
    packed = ReadOnceStream(stream)
    whole = io.BufferedReader(packed, COPY_BYTES)
    head = whole.peek(HEAD_BYTES)[:HEAD_BYTES]
    if not head:
        return whole
    _check_kind(head, name, kind)
    with _explain_damage(name):
        count = UnpackedBytes(name, lambda: packed.num_read)
        return UnpackedStream(READERS[kind](whole), count, whole)  # type: ignore[return-value]


def _check_kind(head: bytes, name: str, kind: str) -> None:
    """Reject a file that is plain text, or packed in another way than expected.

    Raises:
        RowError: Names the kind of file, and what to change.
    """
    found = kind_of_bytes(head)
    if found and found != kind:
        value = found if found in COMPRESSIONS else "none"
    elif not found and is_text(head):
        found = f"plain text that begins with {first_words(head)!r}"
        value = "none"
    else:
        return
    raise RowError(
        f"{name} is {found}, and its name or source.compression says {kind}: "
        f"set source.compression: {value}"
    )


def open_member(stream: Any, path: str, archive: str, compression: str = "infer") -> IO[bytes]:
    """Open ``a.zip!b.txt``, which is ``b.txt`` inside ``a.zip`` inside an archive, and unpack it.

    Args:
        stream: The archive.
        path: Names of members, from the outside in, with ``!`` between them.
        archive: Name of the archive, for messages.
        compression: Of the member.

    Raises:
        RowError: If there is no such member (with the nearest name), or an
            outer file is no archive.
    """
    for name in path.split("!"):
        stream = _member(stream, name, archive)[0]
        archive = f"{archive}!{name}"
    return unpacked(stream, archive, compression)


def _member(stream: Any, name: str | None, archive: str) -> tuple[IO[bytes], str]:
    """Open a member, or the only one, with its name; close the archive after an error."""
    with _explain_damage(archive), ExitStack() as opened:
        stream = opened.enter_context(_seekable(stream))
        if _head(stream) == ZSTD:
            inner = UnpackedStream(READERS["zstd"](stream), _count(archive, stream), stream)
            stream = opened.enter_context(_seekable(inner))
        # By the start, because a tar that holds a zip ends like a zip.
        is_zip = _head(stream).startswith(ZIP)
        found = (_zip_member if is_zip else _tar_member)(stream, name, archive)
        opened.pop_all()
        return found


def _head(stream: IO[bytes]) -> bytes:
    stream.seek(0)
    head = stream.read(len(ZSTD))
    stream.seek(0)
    return head


def _zip_member(stream: IO[bytes], name: str | None, archive: str) -> tuple[IO[bytes], str]:
    zipped = zipfile.ZipFile(stream)
    check_members(len(zipped.infolist()), archive)
    files = [info.filename for info in zipped.infolist() if not info.is_dir()]
    found = _chosen(name, files, archive)
    info = zipped.getinfo(found)
    if info.flag_bits & 1:
        raise RowError(f"{archive}!{found} is encrypted, expected an archive without a password")
    place = f"{archive}!{found}"
    count = UnpackedBytes(place, lambda: info.compress_size)
    member = UnpackedStream(zipped.open(found), count, zipped, stream)
    return member, found  # type: ignore[return-value]


def _tar_member(stream: IO[bytes], name: str | None, archive: str) -> tuple[IO[bytes], str]:
    try:
        tar = tarfile.open(fileobj=stream)  # noqa: SIM115, lives as long as its member
    except tarfile.ReadError as error:
        raise RowError(
            f"{archive} is neither a zip nor a tar archive, or is damaged: {_line(error)}"
        ) from None
    files: list[str] = []
    skipped = _count(archive, stream)
    for member in tar:  # up to the requested one, so that compressed data is not read twice
        check_members(len(files), archive)
        skipped.add(member.size)
        if not member.isdir():
            files.append(member.name)
        if member.name == name and files[-1:] == [name]:
            break
    found = _chosen(name, files, archive)
    opened = tar.extractfile(found)
    if opened is None:
        raise RowError(f"{archive}!{found} is no file")
    inner = UnpackedStream(opened, _count(f"{archive}!{found}", stream), tar, stream)
    return inner, found  # type: ignore[return-value]


def _count(name: str, stream: IO[bytes]) -> UnpackedBytes:
    """Make a count for what is unpacked from a stream that can seek."""
    place = stream.tell()
    size = stream.seek(0, io.SEEK_END)
    stream.seek(place)
    return UnpackedBytes(name, lambda: size)


def _is_hidden(path: str) -> bool:
    parts = [part for part in path.split("/") if part not in (".", "..")]
    return is_clutter(path) or any(part.startswith(".") for part in parts)


def _chosen(name: str | None, files: list[str], archive: str) -> str:
    if name in files:
        return name
    files = [file for file in files if not _is_hidden(file)]
    if name is None and len(files) == 1:
        return files[0]
    shown = ", ".join(files[:SHOWN])
    if len(files) > SHOWN:
        shown += f" and {len(files) - SHOWN:,} more"
    if name is None and not files:
        raise RowError(f"{archive} holds no files, expected one")
    if name is None:
        raise RowError(
            f"{archive} holds {len(files):,} files, expected one: add !NAME to the path. "
            f"There are: {shown}"
        )
    hint = nearest(name, files)
    if not hint.startswith("did"):
        hint = f"there are: {shown}"
    raise RowError(f"{archive} has no member {name!r}: {hint}")


def _seekable(stream: Any) -> IO[bytes]:
    """Return a stream that can seek: the given one, or a copy on disk."""
    if stream.seekable():
        return stream  # type: ignore[no-any-return]
    with stream, ExitStack() as opened:
        copy = opened.enter_context(tempfile.TemporaryFile())
        shutil.copyfileobj(stream, copy, COPY_BYTES)
        copy.seek(0)
        opened.pop_all()  # the copy stays open as long as its member
    return copy


@contextmanager
def _explain_damage(name: str) -> Iterator[None]:
    """Turn an error of unpacking into a RowError with the file and a remedy."""
    try:
        yield
    except (*DAMAGE, OSError) as error:
        # bz2, gzip and Arrow raise a plain OSError without a number; a disk or a network does not.
        is_plain = type(error) in (OSError, gzip.BadGzipFile)
        if isinstance(error, OSError) and not (is_plain and error.errno is None):
            raise
        raise RowError(
            f"{name} is damaged, cut short or of another kind than its name says: {_line(error)}. "
            "Get it again; if it is not compressed so, say so with source.compression"
        ) from None


def _line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200].rstrip(".")
