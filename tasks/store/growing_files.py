"""Files that only grow and cannot be made again: logs and removal lists.

Beside each is a seal, ``NAME.seal``, with the size and digest of what was
written. After a crash a file may be longer than its seal says, by lines or a
part of one; where it is shorter or its content differs, it is damaged.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.store import durable
from tasks.store.checksums import bytes_sum
from tasks.store.sealed import DamagedError, read_sealed, write_sealed

# By folder of the store: the content of its files, and what is lost without one.
CONTENTS = {
    "snapshots": "the log of a dataset's ingestions; without it the source is read from the start",
    "accepted": "the snapshots accepted for training; without it the next one is not compared",
    "slots": "the times at which a source was read; without it quiet slots are counted anew",
    "notices": "the notices, and what was sent; without it some are sent again",
    "removals": "texts and keys to be removed; without it the next snapshot has these rows again",
}
REMEDY = "Restore it from a backup, or run refrain verify --set-aside to go on without it"


def seal_path(path: Path) -> Path:
    """Return the file with the seal of a file."""
    return path.with_name(f"{path.name}.seal")


def read_grown(path: Path) -> bytes:
    """Read a file that only grows; empty if it was never written.

    Raises:
        DamagedError: If content that was written is missing or differs.
    """
    content = path.read_bytes() if path.exists() else b""
    seal = _seal_of(path)
    size = seal.get("bytes", 0)
    if size and bytes_sum(content[:size]) != seal:
        found = f"{len(content):,} bytes, expected {size:,}"
        if len(content) >= size:
            found = "other content than was written"
        raise damage(path, f"has {found if path.exists() else 'been deleted'}")
    return content


def _seal_of(path: Path) -> dict[str, Any]:
    """Read a seal; a damaged one protects nothing until the next line is written."""
    try:
        return read_sealed(seal_path(path))
    except (FileNotFoundError, DamagedError):
        return {}


def damage(path: Path, fault: str) -> DamagedError:
    """Describe a damaged file: the fault, the content and the remedy."""
    content = CONTENTS.get(path.parent.name, "lines that cannot be made again")
    return DamagedError(f"{path} {fault}. It holds {content}. {REMEDY}")


def seal(path: Path) -> None:
    """Record the size and digest of a file as it is now."""
    write_sealed(seal_path(path), bytes_sum(path.read_bytes()))


def append_line(path: Path, content: Mapping[str, Any]) -> None:
    """Append one line of JSON to a file, and write it to the disk; the caller holds a lock.

    Raises:
        DamagedError: If the file is damaged.
    """
    known = read_grown(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    line = json.dumps(content, ensure_ascii=False)
    with path.open("r+b" if not is_new else "xb") as file:
        file.truncate(known.rfind(b"\n") + 1)  # drops a line that a crash cut short
        file.seek(0, os.SEEK_END)
        file.write(f"{line}\n".encode())
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        durable.flush_names(path)
    seal(path)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read what ``append_line`` wrote, without a last line that a crash cut short.

    Raises:
        DamagedError: If the file is damaged.
    """
    # As bytes: a crash may cut the last line inside a character.
    lines = read_grown(path).split(b"\n")[:-1]
    return [_parsed(path, number, line) for number, line in enumerate(lines, 1) if line]


def _parsed(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except ValueError as error:
        raise damage(path, f"has a damaged line {number} ({error})") from None
    if not isinstance(content, dict):
        raise damage(path, f"has no JSON object in line {number}")
    return content


def write_grown(path: Path, text: str) -> None:
    """Write a file that only grows anew, whole or not at all; the caller has added to its text."""
    durable.write_text(path, text)
    seal(path)
