"""Size and digest of each file of a folder: recorded once, compared when the folder is opened."""

import errno
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypedDict

import xxhash

# A smaller file is read at every check; of a larger one, a process reads what it has not yet read.
SMALL_BYTES = 1 << 20
BLOCK_BYTES = 1 << 20
# Errors of a file that is damaged; others, such as a lack of memory, may pass.
DAMAGE = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.EIO)
_checked: set[tuple[Any, ...]] = set()  # large files that this process found intact


class FileSum(TypedDict):
    """The size and the digest (XXH3, 128 bits) of a file."""

    bytes: int
    xxh3: str


def file_sum(path: Path) -> FileSum:
    """Read a file for its size and digest."""
    state = xxhash.xxh3_128()
    num_bytes = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            state.update(block)
            num_bytes += len(block)
    return {"bytes": num_bytes, "xxh3": state.hexdigest()}


def bytes_sum(content: bytes) -> FileSum:
    """Return the size and digest of a file's content."""
    return {"bytes": len(content), "xxh3": xxhash.xxh3_128_hexdigest(content)}


def content_digest(content: Mapping[str, Any]) -> str:
    """Digest what a JSON file holds, independent of spaces and order."""
    # Through JSON and back, as tuples and numbers as keys come back otherwise.
    plain = json.loads(json.dumps(content))
    return xxhash.xxh3_128_hexdigest(json.dumps(plain, sort_keys=True).encode())


def folder_sums(folder: Path) -> dict[str, FileSum]:
    """Read all files below a folder for their sizes and digests, by path from the folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_sum(path) for path in paths}


def find_faults(
    folder: Path, sums: Mapping[str, FileSum], *, is_thorough: bool = False
) -> Iterator[str]:
    """Compare files with their recorded sizes and digests; yield a sentence for each that differs.

    Args:
        folder: Where the files are.
        sums: Sizes and digests by path from the folder.
        is_thorough: Read large files again that this process found intact before.
    """
    for name, expected in sums.items():
        path = folder / name
        try:
            yield from _file_faults(path, expected, is_thorough=is_thorough)
        except OSError as error:
            if error.errno not in DAMAGE:
                raise
            yield f"{path} cannot be read: {error.strerror}"


def _file_faults(path: Path, expected: FileSum, *, is_thorough: bool) -> Iterator[str]:
    status = path.stat()
    if status.st_size != expected["bytes"]:
        yield f"{path} has {status.st_size:,} bytes, expected {expected['bytes']:,}"
        return
    seen = (path, status.st_ino, status.st_mtime_ns, expected["xxh3"])
    if seen in _checked and not is_thorough:
        return
    if file_sum(path) != expected:
        yield f"{path} has other content than was written (its XXH3 digest differs)"
    elif status.st_size > SMALL_BYTES:
        _checked.add(seen)
