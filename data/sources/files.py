"""Files anywhere: local paths, globs, http(s), s3, gs and az through fsspec, unpacked on the fly."""

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, ClassVar

import fsspec
from fsspec.core import url_to_fs

from data.archives import open_member
from data.errors import RowError, nearest
from data.source import Access, Piece

SIDES = ("source", "target")
ORDER = ("test", "validation", "all", "train")  # held-out texts are known before the training rows come
COMPRESSIONS = ("infer", "none", "gzip", "bz2", "xz", "zstd", "zip")
EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "http": "http", "https": "http"}
# Whose exceptions say that a file could not be read, where they are no OSError.
READERS = ("aiohttp", "botocore", "aiobotocore", "google", "gcsfs", "azure", "zipfile", "zlib", "lzma", "zstandard")
NETWORK_LOST = "Look at the address and at the network; nothing of it was used"


@dataclass(frozen=True, kw_only=True)
class Files:
    """Files by split (or ``all``): a path or a list of them, or ``{source: ..., target: ...}`` for parallel text.

    A path may be a glob, a URL, and ``a.zip!b.txt`` for a member of an
    archive. ``options`` are for the file system, such as an endpoint; secrets
    in them and in URLs are named, as ``${env:NAME}`` or ``${secret:NAME}``.
    """

    has_format: ClassVar[bool] = True

    paths: Mapping[str, Any]
    compression: str = "infer"
    options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.compression not in COMPRESSIONS:
            raise RowError(f"there is no compression {self.compression!r}: {nearest(self.compression, COMPRESSIONS)}")
        for split, given in self.paths.items():
            for path in _texts(given, split):
                if re.match(r"[a-z0-9+]+://[^/@$]*:[^/@$]+@", path):
                    raise RowError(f"paths, {split}: a password stands in the address; name it instead, as ${{env:NAME}}")

    def pieces(self, access: Access, known: Sequence[Piece]) -> list[Piece]:
        """List the files that are there, each with size and time (or etag) as its version."""
        found = []
        for split in sorted(self.paths, key=ORDER.index):
            found += self._split_pieces(split, access)
        return [Piece(**piece, is_kept=len(found) > 1) for piece in found]

    def _split_pieces(self, split: str, access: Access) -> list[dict[str, Any]]:
        given = self.paths[split]
        sides = [given[side] for side in SIDES] if isinstance(given, Mapping) else [given]
        listed = [[file for path in _texts(side, split) for file in self._expand(path, access)] for side in sides]
        if len({len(files) for files in listed}) > 1:
            raise RowError(f"paths, {split}: {len(listed[0])} files of source and {len(listed[1])} of target, expected as many")
        return [
            {
                "split": split,
                "name": " + ".join(name for name, _, _ in files),
                "version": "" if any(not version for _, version, _ in files) else " + ".join(version for _, version, _ in files),
                "place": tuple(place for _, _, place in files),
            }
            for files in zip(*listed, strict=True)
        ]

    def _expand(self, pattern: str, access: Access) -> list[tuple[str, str, str]]:
        """Find the files of a path: name, version and where to open each."""
        outer, mark, member = pattern.partition("!")
        with _network(pattern, access):
            system, path = self._system(outer, access)
            is_glob = any(sign in path for sign in "*?[")
            paths = sorted(system.glob(path)) if is_glob else [path] * system.exists(path)
            infos = [info for path in paths if (info := system.info(path))["type"] == "file"]
            if not infos:
                raise RowError(f"there is no file {access.hide(access.reveal(pattern))}")
            prefix = outer[: -len(posixpath.basename(outer))] if "://" in outer else ""
            found = []
            for info in infos:
                name = prefix + posixpath.basename(info["name"]) if prefix else str(info["name"])
                found.append((access.hide(name) + mark + member, _version(info), str(info["name"]) + mark + member))
            return found if is_glob else [(access.hide(pattern), found[0][1], path + mark + member)]

    def _system(self, url: str, access: Access) -> tuple[Any, str]:
        options: dict[str, Any] = {name: access.reveal(value) for name, value in self.options.items()}
        if url.startswith(("http:", "https:")):
            options = {"client_kwargs": {"trust_env": True}, **options}
        try:
            system, path = url_to_fs(access.reveal(url), use_listings_cache=False, skip_instance_cache=True, **options)
        except ImportError as error:
            kind = url.partition(":")[0]
            extra = EXTRAS.get(kind, kind)
            raise RowError(
                f"{kind} addresses need a library that is not installed: pip install 'refrain-rnn[{extra}]'"
            ) from error
        except ValueError as error:
            raise RowError(f"{access.hide(str(error))}: in the address {url}") from error
        return system, path

    @contextmanager
    def open(self, piece: Piece, access: Access) -> Iterator[Sequence[IO[bytes]]]:
        """Open the file or the two files of a piece, unpacked."""
        given = self.paths[piece.split]
        example = next(iter(_texts(given["source"] if isinstance(given, Mapping) else given, piece.split)))
        with ExitStack() as stack, _network(piece.name, access):
            system, _ = self._system(example.partition("!")[0], access)
            yield [stack.enter_context(self._open_one(system, place)) for place in piece.place]

    def _open_one(self, system: Any, place: str) -> Any:
        path, _, member = place.partition("!")
        if member:
            return open_member(system.open(path, "rb"), member, path)
        compression: str | None = "infer" if path.endswith(tuple(_suffixes())) else None
        if self.compression != "infer":
            compression = None if self.compression == "none" else self.compression
        return system.open(path, "rb", compression=compression)


def _suffixes() -> list[str]:
    return [f".{suffix}" for suffix in fsspec.utils.compressions]


def _texts(given: Any, split: str) -> list[str]:
    """The paths of a split as a list of texts."""
    if isinstance(given, Mapping):
        if set(given) != set(SIDES):
            raise RowError(f"paths, {split}: expected source and target, got {', '.join(map(str, given)) or 'nothing'}")
        return [path for side in SIDES for path in _texts(given[side], split)]
    listed = given if isinstance(given, list) else [given]
    if not listed or not all(isinstance(path, str) and path for path in listed):
        raise RowError(f"paths, {split}: expected a path or a list of paths, got {given!r}")
    return listed


def _version(info: Mapping[str, Any]) -> str:
    """What tells whether a file is still what it was; empty if nothing does."""
    for name in ("ETag", "etag", "md5Hash", "content_md5", "Last-Modified", "LastModified", "last_modified", "mtime", "created"):
        if info.get(name):
            return f"{info.get('size')}-{info[name]}"
    return ""


@contextmanager
def _network(where: str, access: Access) -> Iterator[None]:
    """Say where a file could not be read, without what is secret."""
    try:
        yield
    except RowError:
        raise
    except FileNotFoundError as error:
        raise RowError(f"there is no file {where}") from error
    except OSError as error:
        if error.errno is not None and error.filename is not None:
            raise  # of this machine: the disk, a permission
        said = access.hide(str(error)) or type(error).__name__
        raise OSError(f"cannot read {where}: {said}. {NETWORK_LOST}") from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in READERS:
            raise
        said = access.hide(str(error)) or type(error).__name__
        raise OSError(f"cannot read {where}: {said}. {NETWORK_LOST}") from None


SOURCE = Files
