"""Compressed files and members of zip and tar archives, read where they lie."""

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
from data.sources.first_bytes import HEAD_BYTES, first_words, is_text, kind_of_bytes

ARCHIVE = re.compile(r"\.(tar(\.\w+)?|tgz|tbz2?|txz|tzst)$", re.IGNORECASE)
SUFFIXES = {"gz": "gzip", "bz2": "bz2", "xz": "xz", "lzma": "xz", "zst": "zstd", "zip": "zip"}
READERS: dict[str, Callable[[Any], Any]] = {
    "gzip": lambda stream: gzip.GzipFile(fileobj=stream),
    "bz2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
    "zstd": lambda stream: pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd"),
}
COMPRESSIONS = ("infer", "none", *READERS, "zip", "tar")
ZSTD, ZIP = b"\x28\xb5\x2f\xfd", b"PK"  # how such files begin
DAMAGE = (
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
    NotImplementedError,
)
COPY_BYTES = 1 << 20
CLUTTER = (".ds_store", "thumbs.db", "desktop.ini", "icon\r")  # what systems leave in folders
SHOWN = 20  # names of members in a message


class Once(io.BufferedIOBase):
    """A stream that is read once, from its start."""

    def __init__(self, stream: Any, *below: Any) -> None:
        """Read ``stream``, and close it and what lies below it."""
        self.stream, self.below = stream, below

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to ``size`` bytes."""
        return bytes(self.stream.read() if size is None or size < 0 else self.stream.read(size))

    def close(self) -> None:
        """Close all of it."""
        for stream in (self.stream, *self.below):
            stream.close()
        super().close()


class Unpacked(Once):
    """What is unpacked while it is read, and says if it is damaged."""

    def __init__(self, stream: Any, name: str, *below: Any) -> None:
        """Call it ``name``."""
        super().__init__(stream, *below)
        self.name = name

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to ``size`` bytes.

        Raises:
            RowError: If they cannot be unpacked.
        """
        with _damage_told(self.name):
            return super().read(size)


def kind_of(name: str) -> str:
    """The compression that a name tells; of an address, what stands before its query."""
    path = name.partition("?")[0] if "://" in name else name
    return "tar" if ARCHIVE.search(path) else SUFFIXES.get(path.lower().rpartition(".")[2], "none")


def unpacked(stream: Any, name: str, compression: str = "infer") -> IO[bytes]:
    """Unpack a file: as its name says, or as ``compression`` does; of an archive, its only member.

    Raises:
        RowError: If it is an archive of several, or not what it should be.
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
    # A network gives less than it is asked for.
    whole = io.BufferedReader(Once(stream), COPY_BYTES)
    head = whole.peek(HEAD_BYTES)[:HEAD_BYTES]
    if not head:
        return whole
    _check_kind(head, name, kind)
    with _damage_told(name):
        return Unpacked(READERS[kind](whole), name, whole)  # type: ignore[return-value]


def _check_kind(head: bytes, name: str, kind: str) -> None:
    """Refuse a file that is plain text, or packed in another way than it should be.

    Raises:
        RowError: Says what it is, and what to change.
    """
    found = kind_of_bytes(head)
    if found and found != kind:
        value = found if found in COMPRESSIONS else "none"
    elif not found and is_text(head):
        found, value = f"plain text that begins with {first_words(head)!r}", "none"
    else:
        return
    raise RowError(
        f"{name} is {found}, and its name or source.compression says {kind}: set source.compression: {value}"
    )


def open_member(stream: Any, path: str, archive: str, compression: str = "infer") -> IO[bytes]:
    """Open ``a.zip!b.txt``, which is ``b.txt`` inside ``a.zip`` inside an archive, and unpack it.

    Args:
        stream: The archive.
        path: Names of members, from the outside in, with ``!`` between them.
        archive: What the archive is called, for messages.
        compression: Of the member.

    Raises:
        RowError: If there is no such member (with the nearest name), or one of
            them is no archive.
    """
    for name in path.split("!"):
        stream, archive = _member(stream, name, archive)[0], f"{archive}!{name}"
    return unpacked(stream, archive, compression)


def _member(stream: Any, name: str | None, archive: str) -> tuple[IO[bytes], str]:
    """Open a member, or the only one, and say how it is called; close the archive if there is none."""
    with _damage_told(archive), ExitStack() as opened:
        stream = opened.enter_context(_seekable(stream))
        if _head(stream) == ZSTD:
            stream = opened.enter_context(
                _seekable(Unpacked(READERS["zstd"](stream), archive, stream))
            )
        is_zip = _head(stream).startswith(
            ZIP
        )  # not by its end, for a tar may hold a zip, and then ends like one
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
    found = _chosen(
        name, [info.filename for info in zipped.infolist() if not info.is_dir()], archive
    )
    if zipped.getinfo(found).flag_bits & 1:
        raise RowError(f"{archive}!{found} is encrypted, expected an archive without a password")
    return Unpacked(zipped.open(found), f"{archive}!{found}", zipped, stream), found  # type: ignore[return-value]


def _tar_member(stream: IO[bytes], name: str | None, archive: str) -> tuple[IO[bytes], str]:
    try:
        tar = tarfile.open(fileobj=stream)  # noqa: SIM115, lives as long as its member
    except tarfile.ReadError as error:
        raise RowError(
            f"{archive} is neither a zip nor a tar archive, or is damaged: {_line(error)}"
        ) from None
    files = []
    for member in tar:  # up to the one that is wanted: what is compressed is not read twice
        if not member.isdir():
            files.append(member.name)
        if member.name == name and files[-1:] == [name]:
            break
    found = _chosen(name, files, archive)
    opened = tar.extractfile(found)
    if opened is None:
        raise RowError(f"{archive}!{found} is no file")
    return Unpacked(opened, f"{archive}!{found}", tar, stream), found  # type: ignore[return-value]


def is_clutter(path: str) -> bool:
    """Whether a file is none of the user's: one that an operating system leaves in folders and archives."""
    *folders, name = path.replace("\\", "/").split("/")
    return "__MACOSX" in folders or name.startswith("._") or name.lower() in CLUTTER


def _is_hidden(path: str) -> bool:
    parts = [part for part in path.split("/") if part not in (".", "..")]
    return is_clutter(path) or any(part.startswith(".") for part in parts)


def _chosen(name: str | None, files: list[str], archive: str) -> str:
    if name in files:
        return name
    files = [file for file in files if not _is_hidden(file)]
    if name is None and len(files) == 1:
        return files[0]
    shown = ", ".join(files[:SHOWN]) + (
        f" and {len(files) - SHOWN:,} more" if len(files) > SHOWN else ""
    )
    if name is None and not files:
        raise RowError(f"{archive} holds no files, expected one")
    if name is None:
        raise RowError(
            f"{archive} holds {len(files):,} files, expected one: add !NAME to the path. There are: {shown}"
        )
    said = nearest(name, files)
    raise RowError(
        f"{archive} has no member {name!r}: {said if said.startswith('did') else f'there are: {shown}'}"
    )


def _seekable(stream: Any) -> IO[bytes]:
    """Give a stream that can be read from any place: the same, or a copy on the disk."""
    if stream.seekable():
        return stream  # type: ignore[no-any-return]
    with stream, ExitStack() as opened:
        copy = opened.enter_context(tempfile.TemporaryFile())
        shutil.copyfileobj(stream, copy, COPY_BYTES)
        copy.seek(0)
        opened.pop_all()  # it lives as long as its member
    return copy


@contextmanager
def _damage_told(name: str) -> Iterator[None]:
    """Say of what cannot be unpacked which file it is, and what to do."""
    try:
        yield
    except (*DAMAGE, OSError) as error:
        # Of an OSError only what bz2, gzip and Arrow say; a disk or a network gives a number or a class of its own.
        if isinstance(error, OSError) and (
            type(error) not in (OSError, gzip.BadGzipFile) or error.errno is not None
        ):
            raise
        said = f"{name} is damaged, cut short or of another kind than its name says: {_line(error)}"
        raise RowError(
            f"{said}. Get it again; if it is not compressed so, say so with source.compression"
        ) from None


def _line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200].rstrip(".")
