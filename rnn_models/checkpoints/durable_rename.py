"""A finished file under its final name: after a power cut it is whole, or the one before it."""

import os
from pathlib import Path


def durable_rename(before: Path, after: Path) -> None:
    """Give a finished file its name, with its content and the name on the disk.

    Without the flush of the file, a file system may write the new name before
    the content; without that of the folder, the old name may come back.
    """
    flush_one(before)
    before.replace(after)
    flush_one(after.parent)


def flush_one(path: Path) -> None:
    """Write one file, or the list of names of one folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
