"""Durable writes: after a crash or a power cut a file is either whole or absent."""

import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rnn_models.checkpoints.durable_rename import flush_one


def write_text(path: Path, text: str) -> None:
    """Write a text file to the disk, whole or not at all; it replaces an earlier one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own for each writer: two processes may write the same page at once.
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        rename(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file to the disk, whole or not at all."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def rename(before: Path, after: Path) -> None:
    """Give a finished file or folder its name, with its content on the disk first.

    Without the flush, a file system may write the new name before the content;
    without the flush of the folder, the old name may come back after a power cut.
    """
    flush(before)
    before.replace(after)
    flush_one(after.parent)


def flush(path: Path) -> None:
    """Write a file, or a folder with everything in it, to the disk."""
    for each in path.rglob("*") if path.is_dir() else ():
        flush_one(each)
    flush_one(path)


def append_line(path: Path, content: Mapping[str, Any]) -> None:
    """Append one line of JSON to a file, and write it to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    line = json.dumps(content, ensure_ascii=False)
    with path.open("a+b") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)  # drops a line that a crash cut short
        file.write(f"{line}\n".encode())
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        flush_one(path.parent)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read what ``append_line`` wrote, without a last line that a crash cut short."""
    # As bytes: a crash may cut the last line inside a character.
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines if line]
