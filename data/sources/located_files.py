"""Files that are there: found by a path, an address or a glob, told apart by versions, opened unpacked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from fsspec.implementations.local import LocalFileSystem

from data.errors import RowError
from data.sources.archives import Once, is_clutter, kind_of, open_member, unpacked
from data.sources.base import Access
from data.sources.filesystem import UnreachableError, asked, explained, is_web, system_of

# What tells that a file is another one, the surest first: digests of its content, then times.
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
class Place:
    """A file that is there.

    ``name`` is how messages call it, ``version`` tells whether it is still
    what it was (empty if nothing does), ``stem`` is what the wildcards of a
    glob stand for, None where there are none.
    """

    name: str
    version: str
    stem: str | None
    member: str  # inside the archive that it is, or empty
    system: Any
    path: str

    def open(self, compression: str) -> IO[bytes]:
        """Open it, unpacked."""
        if is_web(self.system):  # one answer: parts of several may be of different files
            stream: Any = Once(asked(lambda: self.system.open(self.path, "rb", block_size=0)))
        else:
            stream = self.system.open(self.path, "rb")
        if self.member:
            return open_member(
                stream, self.member, self.name.removesuffix(f"!{self.member}"), compression
            )
        kind = (
            kind_of(self.path) if compression == "infer" else compression
        )  # the name may be that of a secret
        return unpacked(stream, self.name, kind)

    def check_unchanged(self) -> None:
        """Refuse what was read if another file lies there by now.

        Raises:
            UnreachableError: If so.
        """
        if self.version and version_of(_info(self.system, self.path)) != self.version:
            raise UnreachableError(
                f"{self.name} changed while it was read: start again when it is complete"
            )


def find_files(pattern: str, options: Mapping[str, Any], access: Access) -> list[Place]:
    """Find the file at a path or an address, or those of a glob in the order of their names.

    Raises:
        RowError: If there is none.
        UnreachableError: If the place cannot be reached.
    """
    outer, mark, member = pattern.partition("!")
    with explained(pattern, access):
        system, path = system_of(outer, options, access)
        if isinstance(system, LocalFileSystem):
            if Path(
                whole := str(system._strip_protocol(pattern))
            ).is_file():  # the sign may stand in a name
                path, mark, member = whole, "", ""
            outer = path
        inside = mark + member
        if not _is_glob(system, outer):
            info = asked(lambda: _info(system, path))
            name = access.hide(outer) + inside
            return [
                Place(
                    name=name,
                    version=version_of(info),
                    stem=None,
                    member=member,
                    system=system,
                    path=path,
                )
            ]
        first, (start, stop) = WILD.search(outer).start(), _wildcards(path)  # type: ignore[union-attr]
        places = []
        for info in asked(lambda: _globbed(system, path, start)):
            found = str(info["name"])
            name, stem = (
                access.hide(outer[:first] + found[start:]),
                found[start : len(found) - len(path) + stop],
            )
            places.append(
                Place(
                    name=name + inside,
                    version=version_of(info),
                    stem=stem,
                    member=member,
                    system=system,
                    path=found,
                )
            )
    if not places:
        raise RowError(f"there is no file {pattern}")
    return places


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
    """Where the wildcards of a path begin and end."""
    signs = [found.start() for found in WILD.finditer(path)]
    return signs[0], max(signs[-1], path.rfind("]")) + 1


def _globbed(system: Any, path: str, start: int) -> list[dict[str, Any]]:
    """What is known of the files of a glob, hidden ones apart."""
    found = system.glob(path, detail=True)
    first, is_hidden = path.rfind("/", 0, start) + 1, re.compile(r"(^|/)\.")
    names = [
        name for name in sorted(found) if not is_clutter(name[first:]) or is_clutter(path[first:])
    ]
    names = [
        name
        for name in names
        if is_hidden.search(path[first:]) or not is_hidden.search(name[first:])
    ]
    if is_web(system) or isinstance(system, LocalFileSystem):  # their listings do not tell enough
        return [_info(system, name) for name in names if found[name]["type"] != "directory"]
    return [found[name] for name in names if found[name]["type"] == "file"]


def _info(system: Any, path: str) -> dict[str, Any]:
    """What is known of a file.

    Raises:
        RowError: If it is none.
    """
    info = dict(system.info(path))
    if info["type"] != "file":
        raise RowError(
            f"expected a file, got a {info['type']}: for the files in a folder write its name and /*"
        )
    if isinstance(system, LocalFileSystem):  # of a link it tells the time of the link
        stat = Path(path).stat()
        # The time of the last change and the file's number tell of one that was replaced with size and time kept.
        info |= {
            "size": stat.st_size,
            "mtime": stat.st_mtime_ns,
            "state": f"{stat.st_ctime_ns}-{stat.st_ino}",
        }
    return info


def version_of(info: Mapping[str, Any]) -> str:
    """What tells whether a file is still what it was; empty if nothing does."""
    told = next((info[name] for name in VERSIONS if info.get(name)), None)
    if isinstance(told, datetime):  # where a listing gives a number, as that of memory does
        told = told.timestamp()
    state = f"-{info['state']}" if "state" in info else ""  # of a file of this machine
    return f"{info.get('size')}-{str(told).strip(QUOTES)}{state}" if told else ""
