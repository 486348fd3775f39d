"""Rows from standard input, kept as a file while they are answered."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tasks.store.home import home

SIGN = "-"  # names standard input among files
COPY_BYTES = 1 << 20
PARQUET = b"PAR1"


@contextmanager
def with_standard_input(sources: Sequence[str], stream: IO[bytes]) -> Iterator[list[str]]:
    """Replace ``-`` among files by a file with what a stream holds, as long as the block runs.

    The file is named by its content, so that predictions of the same rows are
    known to be of the same file.

    Raises:
        ValueError: If ``-`` is named twice.
    """
    if SIGN not in sources:
        yield [*sources]
        return
    if sources.count(SIGN) > 1:
        raise ValueError("--file - names standard input twice, expected it once")
    path = _stored(stream, home() / "tmp")
    try:
        yield [str(path) if source == SIGN else source for source in sources]
    finally:
        path.unlink(missing_ok=True)


def _stored(stream: IO[bytes], folder: Path) -> Path:
    """Write a stream to a file that is named by content and format."""
    folder.mkdir(parents=True, exist_ok=True)
    head = stream.read(COPY_BYTES)
    digest = hashlib.sha256(head)
    partial = folder / f"stdin-{id(stream)}.partial"
    with partial.open("wb") as file:
        file.write(head)
        while block := stream.read(COPY_BYTES):
            file.write(block)
            digest.update(block)
    return partial.replace(folder / f"stdin-{digest.hexdigest()[:16]}.{ending_of(head)}")


def ending_of(head: bytes) -> str:
    """Tell a format by the first bytes: Parquet, JSON Lines, TSV, else CSV."""
    if head.startswith(PARQUET):
        return "parquet"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"{"):
        return "jsonl"
    first = text.partition(b"\n")[0]
    return "tsv" if b"\t" in first and b"," not in first else "csv"
