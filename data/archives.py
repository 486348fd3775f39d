"""Members of zip and tar archives, opened where they lie."""

import io
import tarfile
import zipfile
from typing import IO

from data.errors import RowError, nearest


def open_member(stream: IO[bytes], path: str, archive: str) -> IO[bytes]:
    """Open ``a.zip!b.txt``, which is ``b.txt`` inside ``a.zip`` inside an archive.

    Args:
        stream: The archive, seekable.
        path: Names of members, from the outside in, with ``!`` between them.
        archive: What the archive is called, for messages.

    Raises:
        RowError: If there is no such member (with the nearest name), or one of
            them is no archive.
    """
    for name in path.split("!"):
        stream, archive = _member(stream, name, archive), f"{archive}!{name}"
    return stream


def _member(stream: IO[bytes], name: str, archive: str) -> IO[bytes]:
    if zipfile.is_zipfile(stream):
        names = (zipped := zipfile.ZipFile(stream)).namelist()
        if name in names:
            return zipped.open(name)
    else:
        stream.seek(0)
        try:
            tar = tarfile.open(fileobj=stream)  # noqa: SIM115, lives as long as its member
        except tarfile.TarError as error:
            raise RowError(f"{archive} is neither a zip nor a tar archive") from error
        names = tar.getnames()
        if name in names and (found := tar.extractfile(name)):
            return io.BytesIO(found.read())  # seekable and fast, for an archive inside
    raise RowError(f"{archive} has no member {name!r}: {nearest(name, names)}")
