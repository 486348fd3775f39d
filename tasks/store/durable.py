"""Durable writes: after a crash or a power cut a file is either whole or absent."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rnn_models.checkpoints.durable_rename import flush_one
from tasks.store.home import home

FLUSHES_AT_ONCE = 8


def write_text(path: Path, text: str) -> None:
    """Write a text file to the disk, whole or not at all; it replaces an earlier one."""
    make_folder(path.parent)
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
    inside = list(path.rglob("*")) if path.is_dir() else []
    # At the same time: a file system then writes its journal once for many files.
    with ThreadPoolExecutor(max(1, min(FLUSHES_AT_ONCE, len(inside)))) as threads:
        for _ in threads.map(flush_one, inside):
            pass  # an error of a thread is raised here
    flush_one(path)


def make_folder(folder: Path) -> None:
    """Make a folder, unless it exists, and write its name to the disk."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        flush_names(folder)


def flush_names(path: Path) -> None:
    """Write the name of a file or folder to the disk, and those of its folders in the store."""
    for parent in path.parents:
        flush_one(parent)
        if parent == home() or not parent.is_relative_to(home()):
            break
