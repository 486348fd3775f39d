"""Files by path, glob or address (http, s3, gs, az), through fsspec, unpacked while read."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, ClassVar

from data.errors import RowError, nearest
from data.sources.archives import COMPRESSIONS
from data.sources.base import Access, Partition
from data.sources.filesystem import explain_errors
from data.sources.located_files import LocatedFile, find_files
from data.sources.secret_references import check_address, check_options

SIDES = ("source", "target")
# Held-out texts must be known before the training rows come.
ORDER = ("test", "validation", "all", "train")


@dataclass(frozen=True, kw_only=True)
class Files:
    """Files by split (or ``all``): a path, a list of paths, or both sides of parallel text.

    Parallel text has ``{source: ..., target: ...}``. A path may be a glob, a
    URL, and ``a.zip!b.txt`` for a member of an archive. ``options`` are for
    the file system, such as an endpoint; secrets in them and in URLs are
    references, ``${env:NAME}`` or ``${secret:NAME}``.
    """

    has_format: ClassVar[bool] = True

    paths: Mapping[str, Any]
    compression: str = "infer"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.compression not in COMPRESSIONS:
            hint = nearest(self.compression, COMPRESSIONS)
            raise RowError(f"there is no compression {self.compression!r}: {hint}")
        for split, given in self.paths.items():
            for path in (path for side in _sides(given, split) for path in side):
                try:
                    check_address(path)
                except RowError as error:
                    raise RowError(f"paths, {split}: {error}") from None
        check_options(self.options)

    def pieces(self, access: Access, known: Sequence[Partition]) -> list[Partition]:
        """List the files; their versions are digests or times, as their file system has them."""
        found = [
            partition
            for split in sorted(self.paths, key=ORDER.index)
            for partition in self._split_pieces(split, access)
        ]
        is_growing = len(found) > 1 or any(
            file.stem is not None for partition in found for file in partition["location"]
        )
        return [Partition(**partition, is_kept=is_growing) for partition in found]

    def _split_pieces(self, split: str, access: Access) -> Iterator[dict[str, Any]]:
        sides = [
            [file for path in side for file in find_files(path, self.options, access)]
            for side in _sides(self.paths[split], split)
        ]
        _check_pairs(sides, split)
        for files in zip(*sides, strict=True):
            versions = [file.version for file in files]
            version = " + ".join(versions) if all(versions) else ""
            yield {
                "split": split,
                "name": " + ".join(file.name for file in files),
                "version": version,
                "location": files,
            }

    @contextmanager
    def open(self, partition: Partition, access: Access) -> Iterator[Sequence[IO[bytes]]]:
        """Open the file or the two files of a partition, unpacked.

        Raises:
            RowError: If one is damaged, or its archive has no such member.
            OSError: If one cannot be read, or has changed since it was listed.
        """
        files: Sequence[LocatedFile] = partition.location
        with ExitStack() as stack:
            with explain_errors(partition.name, access):
                streams = [stack.enter_context(file.open(self.compression)) for file in files]
            with explain_errors(partition.name, access, is_reading=True):
                yield streams
            with explain_errors(partition.name, access):
                for file in files:
                    file.check_unchanged()


def _sides(given: Any, split: str) -> list[list[str]]:
    """Return the paths of a split: one list, or those of source and target."""
    if isinstance(given, Mapping):
        if set(given) != set(SIDES):
            found = ", ".join(map(str, given)) or "nothing"
            raise RowError(f"paths, {split}: expected source and target, got {found}")
        return [_paths(given[side], f"{split}, {side}") for side in SIDES]
    return [_paths(given, split)]


def _paths(given: Any, where: str) -> list[str]:
    listed = given if isinstance(given, list) else [given]
    if not listed or not all(isinstance(path, str) and path.strip() for path in listed):
        raise RowError(f"paths, {where}: expected a path or a list of paths, got {given!r}")
    return listed


def _check_pairs(sides: list[list[LocatedFile]], split: str) -> None:
    """Check that each file of a glob has a partner on the other side.

    Raises:
        RowError: If one has none, or the numbers of files differ.
    """
    stems = [[file.stem for file in files] for files in sides]
    for side, other, files, others in (
        zip(SIDES, SIDES[::-1], sides, stems[::-1], strict=True) if len(sides) > 1 else ()
    ):
        alone = [
            file
            for file in files
            if file.stem is not None and None not in others and file.stem not in others
        ]
        if alone:
            raise RowError(
                f"paths, {split}: {alone[0].name} of {side} has no file of {other} beside it"
            )
    if len({len(files) for files in sides}) > 1:
        raise RowError(
            f"paths, {split}: {len(sides[0])} files of source and {len(sides[1])} of target, "
            "expected as many"
        )


SOURCE = Files
