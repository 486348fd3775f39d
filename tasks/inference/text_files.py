"""Files of raw rows in any format that can be read, a part at a time."""

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from data.errors import RowError, nearest
from data.formats.base import TEXT, TOKENS, Columns, all_formats, as_table
from data.ingestion.path_columns import read_with_path
from data.sources.base import Access, Partition
from data.sources.files import Files

FORMATS = {"csv": "csv", "tsv": "tsv", "jsonl": "jsonl", "ndjson": "jsonl", "parquet": "parquet"}
PACKED = ("gz", "bz2", "xz", "zst")


def pieces_of(sources: Sequence[str], access: Access) -> tuple[Files, list[Partition]]:
    """Find the files that some addresses stand for.

    Raises:
        RowError: If there is none, or one is of no format that can be read.
    """
    for source in sources:
        if not re.search(
            r"[*?\[\]][^/]*$", source
        ):  # the format of a glob is that of each of its files
            format_of(source)
    files = Files(paths={"all": [*sources]})
    pieces = files.pieces(access, [])
    for piece in pieces:
        format_of(piece.name)
    return files, pieces


def parts_of(
    files: Files,
    pieces: Sequence[Partition],
    columns: Mapping[str, str],
    part_rows: int,
    access: Access,
) -> Iterator[tuple[Partition, pa.Table]]:
    """Read the rows of some files, a part at a time, with the file of each part.

    Columns that a file lacks come from its path (``stars=5/part-0.parquet``).
    Files without any row make one empty part: a table of no rows is a result.

    Args:
        files: Where they are.
        pieces: What ``pieces_of`` found.
        columns: Name of a column that comes out to the name of one in the files.
        part_rows: Rows of a part.
        access: What may be used.

    Raises:
        RowError: If one has no such column; names the file.
    """
    is_empty = True
    for piece in pieces:
        try:
            for table in evenly(_rows_of(files, piece, columns, access), part_rows):
                is_empty = False
                yield piece, table
        except RowError as error:
            raise RowError(access.hide(f"{piece.name}: {error}")) from None
    if is_empty:
        types = {name: TOKENS if name == "tokens" else TEXT for name in columns}
        nothing = {name: pa.array([], kind) for name, kind in types.items()}
        yield pieces[0], as_table(nothing, np.arange(0), {})


def _rows_of(
    files: Files, piece: Partition, columns: Mapping[str, str], access: Access
) -> Iterator[pa.Table]:
    kind = all_formats()[format_of(piece.name)]

    def rows(wanted: Columns) -> Iterator[pa.Table]:
        with files.open(piece, access) as streams:
            yield from kind.read(streams, wanted, kind.options)

    has_header = bool(kind.options.get("header"))
    yield from read_with_path(rows, columns, piece.name, kind, has_header=has_header)


def format_of(source: str) -> str:
    """Find the format that the ending of an address names, packed or not.

    Raises:
        RowError: If it is none of those that can be read.
    """
    *_, before, ending = ("", *source.partition("?")[0].lower().split("."))
    ending = before if ending in PACKED else ending
    if ending not in FORMATS:
        raise RowError(
            f"{source}: a file to predict must end in one of {', '.join(FORMATS)}: "
            f"{nearest(ending, FORMATS)}"
        )
    return FORMATS[ending]


def evenly(tables: Iterator[pa.Table], size: int) -> Iterator[pa.Table]:
    """Cut rows into tables of ``size`` rows; the last has the rest."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        while sum(each.num_rows for each in waiting) >= size:
            whole = pa.concat_tables(waiting)
            yield whole.slice(0, size)
            waiting = [whole.slice(size)]
    if sum(each.num_rows for each in waiting):
        yield pa.concat_tables(waiting)
