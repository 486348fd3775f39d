"""Files found by a path, an address or a glob, with their versions, and opened unpacked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from fsspec.implementations.local import LocalFileSystem

from data.errors import RowError
from data.sources.archives import ReadOnceStream, kind_of, open_member, unpacked
from data.sources.base import Access
from data.sources.clutter import is_clutter
from data.sources.filesystem import (
    UnreachableError,
    explain_errors,
    is_web,
    system_of,
    with_retries,
)

# Properties that change with a file, the most reliable first: digests, then times.
VERSIONS = (
    "md5Hash",
    "ETag",
    "etag",
    "Content-MD5",
    "Digest",
    "mtime",
    "LastModified",
    "Last-Modified",
    "last_modified",
    "created",
)
WILD = re.compile(r"[*?\[]")
QUOTES = '"'  # of an etag; not every listing has them


@dataclass(frozen=True, kw_only=True)
class LocatedFile:
    """A file that exists.

    Attributes:
        name: Its name in messages.
        version: Changes with the file; empty if no property shows a change.
        stem: The text that the wildcards of a glob match; None without wildcards.
        member: Its path inside an archive, or empty.
        system: The file system of fsspec.
        path: Its path in ``system``.
    """

    name: str
    version: str
    stem: str | None
    member: str
    system: Any
    path: str

    def open(self, compression: str) -> IO[bytes]:
        """Open the file, unpacked."""
        if is_web(self.system):  # in one response: several may be of different versions
            stream: Any = ReadOnceStream(
                with_retries(lambda: self.system.open(self.path, "rb", block_size=0))
            )
        else:
            stream = self.system.open(self.path, "rb")
        if self.member:
            archive = self.name.removesuffix(f"!{self.member}")
            return open_member(stream, self.member, archive, compression)
        # By the path, because ``name`` may be a reference to a secret.
        kind = kind_of(self.path) if compression == "infer" else compression
        return unpacked(stream, self.name, kind)

    def check_unchanged(self) -> None:
        """Check after reading that the file is still the same.

        Raises:
            UnreachableError: If it has changed.
        """
        if self.version and version_of(_info(self.system, self.path)) != self.version:
            raise UnreachableError(
                f"{self.name} changed while it was read: start again when it is complete"
            )


def find_files(pattern: str, options: Mapping[str, Any], access: Access) -> list[LocatedFile]:
    """Find the file at a path or an address, or those of a glob in the order of their names.

    Raises:
        RowError: If there is none.
        UnreachableError: If the file system cannot be reached.
    """
    outer, mark, member = pattern.partition("!")
    with explain_errors(pattern, access):
        system, path = system_of(outer, options, access)
        if isinstance(system, LocalFileSystem):
            whole = system_of(pattern, options, access)[1]
            if Path(whole).is_file():  # a name may contain the mark
                path = whole
                mark = member = ""
            outer = path
        if _is_glob(system, outer):
            files = _matches(system, outer, path, access)
        else:
            info = with_retries(lambda: _info(system, path))
            files = [(access.hide(outer), path, None, info)]
        for name, found, *_ in files:
            if isinstance(system, LocalFileSystem):  # a link may point anywhere
                access.permissions.check_path(found, name)
    if not files:
        raise RowError(f"there is no file {pattern}")
    return [
        LocatedFile(
            name=name + mark + member,
            version=version_of(info),
            stem=stem,
            member=member,
            system=system,
            path=found,
        )
        for name, found, stem, info in files
    ]


def _matches(
    system: Any, outer: str, path: str, access: Access
) -> list[tuple[str, str, str | None, dict[str, Any]]]:
    """Find the files of a glob: name, path, stem and properties of each."""
    first, _ = _wildcards(outer)
    start, stop = _wildcards(path)
    found = [
        (str(info["name"]), info) for info in with_retries(lambda: _globbed(system, path, start))
    ]
    return [
        (
            access.hide(outer[:first] + name[start:]),
            name,
            name[start : len(name) - len(path) + stop],
            info,
        )
        for name, info in found
    ]


def _is_glob(system: Any, outer: str) -> bool:
    if is_web(system):
        address, query, _ = outer.partition("?")
        if "*" in address and query:
            raise RowError(
                "an address with a query cannot have a *, for the links of a listing have no query"
            )
        return "*" in address
    is_file = isinstance(system, LocalFileSystem) and Path(outer).is_file()
    return bool(WILD.search(outer)) and not is_file


def _wildcards(path: str) -> tuple[int, int]:
    """Find where the wildcards of a path begin and end."""
    signs = [found.start() for found in WILD.finditer(path)]
    return signs[0], max(signs[-1], path.rfind("]")) + 1


def _globbed(system: Any, path: str, start: int) -> list[dict[str, Any]]:
    """Read the properties of the files of a glob, without hidden ones."""
    found = system.glob(path, detail=True)
    first = path.rfind("/", 0, start) + 1
    is_hidden = re.compile(r"(^|/)\.")
    names = [
        name for name in sorted(found) if not is_clutter(name[first:]) or is_clutter(path[first:])
    ]
    names = [
        name
        for name in names
        if is_hidden.search(path[first:]) or not is_hidden.search(name[first:])
    ]
    if is_web(system) or isinstance(system, LocalFileSystem):  # their listings lack properties
        return [_info(system, name) for name in names if found[name]["type"] != "directory"]
    return [found[name] for name in names if found[name]["type"] == "file"]


def _info(system: Any, path: str) -> dict[str, Any]:
    """Read the properties of a file.

    Raises:
        RowError: If it is no file.
    """
    info = dict(system.info(path))
    if info["type"] != "file":
        raise RowError(
            f"expected a file, got a {info['type']}: "
            "for the files in a folder write its name and /*"
        )
    if isinstance(system, LocalFileSystem):  # of a link, fsspec gives the time of the link
        stat = Path(path).stat()
        # ctime and inode reveal a file that was replaced by one of equal size and mtime.
        info |= {
            "size": stat.st_size,
            "mtime": stat.st_mtime_ns,
            "state": f"{stat.st_ctime_ns}-{stat.st_ino}",
        }
    return info


def version_of(info: Mapping[str, Any]) -> str:
    """Write a version that changes with the file; empty if no property shows a change."""
    found = next((info[name] for name in VERSIONS if info.get(name)), None)
    if isinstance(found, datetime):  # a number, as some listings give it
        found = found.timestamp()
    state = f"-{info['state']}" if "state" in info else ""  # of a file of this machine
    return f"{info.get('size')}-{str(found).strip(QUOTES)}{state}" if found else ""
