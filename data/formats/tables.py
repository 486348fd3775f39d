"""Files of typed tables: Parquet, and Arrow's file and stream."""

import io
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import IO, Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from data.errors import RowError
from data.formats.base import Columns, FormatKind
from data.formats.columnar import find_column, from_columns
from data.formats.encoding import ByteStream
from data.sources.first_bytes import COMPRESSED
from data.sources.limits import UnpackedBytes

BLOCK_BYTES = 1 << 24  # of a table in memory, about
MOST_ROWS = 1 << 16
COPY_BYTES = 1 << 20
FILE_MAGIC = b"ARROW1"
JOINED = (
    "holds several {} files one behind the other, of which only the {} could be read: "
    "write each to a file of its own"
)
PARQUET_MAGIC = b"PAR1"


def read_parquet(
    streams: Sequence[IO[bytes]], columns: Columns, options: Mapping[str, Any]
) -> Iterator[pa.Table]:
    """Read the wanted columns of a Parquet file, numbered by rows.

    Args:
        streams: One; it is copied to a temporary file if it cannot seek.
        columns: Role to the name of a column, with dots into structs.
        options: None.

    Raises:
        RowError: If it is no Parquet file, or has no such column.
    """
    names = {role: str(column) for role, column in columns.items()}
    with _seekable(streams[0]) as stream, _explained("Parquet"):
        # Without buffers of its own, Arrow takes whole row groups into memory.
        file = pq.ParquetFile(
            pa.PythonFile(stream, mode="r"), pre_buffer=False, buffer_size=COPY_BYTES
        )
        _check_single(stream, file.metadata)
        _check_unpacked(file.metadata)
        empty = file.schema_arrow.empty_table()
        for name in names.values():
            find_column(empty, name)
        first = 1
        for batch in file.iter_batches(
            batch_size=_num_rows(file.metadata),
            columns=sorted(set(names.values())),
            use_threads=True,
        ):
            batch.validate(full=True)
            yield from_columns(pa.Table.from_batches([batch]), names, first)
            first += batch.num_rows


def _check_single(stream: IO[bytes], metadata: pq.FileMetaData) -> None:
    """Check that a file is not several that were joined: Arrow would mix their rows silently.

    The last footer counts from the start of the last file, so what it does not
    describe lies before its end by as much as the files before are long.

    Raises:
        RowError: If it is.
    """
    size = stream.seek(0, io.SEEK_END)
    stream.seek(size - 8)
    footer = size - 8 - int.from_bytes(stream.read(4), "little")
    chunks = (
        metadata.row_group(group).column(column)
        for group in range(metadata.num_row_groups)
        for column in range(metadata.num_columns)
    )
    ends = (
        # A damaged footer may name no page at all.
        min(filter(None, (each.dictionary_page_offset, each.data_page_offset)), default=0)
        + each.total_compressed_size
        for each in chunks
    )
    left = footer - max(ends, default=len(PARQUET_MAGIC)) + len(PARQUET_MAGIC)
    stream.seek(0)
    before = b""
    while left > len(PARQUET_MAGIC) and (block := stream.read(min(left, COPY_BYTES))):
        if 2 * PARQUET_MAGIC in before + block:
            raise RowError(JOINED.format("Parquet", "last"))
        before = block[-len(PARQUET_MAGIC) * 2 :]
        left -= len(block)
    stream.seek(0)


def _check_unpacked(metadata: pq.FileMetaData) -> None:
    """Check the limits of unpacking: a column of equal values takes no space in a file.

    Raises:
        RowError: If the file has too many rows or bytes for its size.
    """
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    packed = sum(
        group.column(number).total_compressed_size
        for group in groups
        for number in range(group.num_columns)
    )
    unpacked = UnpackedBytes("the Parquet file", lambda: packed + metadata.serialized_size)
    unpacked.add(max(metadata.num_rows, sum(group.total_byte_size for group in groups)))


def _num_rows(metadata: pq.FileMetaData) -> int:
    """Choose the number of rows of a block, by the largest row group."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    widest = max((group.total_byte_size / max(group.num_rows, 1) for group in groups), default=1)
    return int(min(max(BLOCK_BYTES / max(widest, 1), 1), MOST_ROWS))


def read_arrow(
    streams: Sequence[IO[bytes]], columns: Columns, options: Mapping[str, Any]
) -> Iterator[pa.Table]:
    """Read the wanted columns of an Arrow (IPC, Feather) file or stream, numbered by rows.

    Args:
        streams: One; an Arrow file that cannot seek is copied to a temporary file.
        columns: Role to the name of a column, with dots into structs.
        options: None.

    Raises:
        RowError: If it is neither, or has no such column.
    """
    names = {role: str(column) for role, column in columns.items()}
    with _explained("Arrow"):
        first = 1
        for batch in _arrow_batches(streams[0]):
            batch.validate(
                full=True
            )  # offsets of a damaged file may point anywhere, and Arrow follows
            table = pa.Table.from_batches([batch])
            num = max(1, min(MOST_ROWS, int(BLOCK_BYTES * table.num_rows / max(table.nbytes, 1))))
            for start in range(0, table.num_rows, num):
                yield from_columns(table.slice(start, num), names, first + start)
            first += table.num_rows


def _arrow_batches(stream: IO[bytes]) -> Iterator[pa.RecordBatch]:
    head = b""
    while len(head) < len(FILE_MAGIC) and (more := stream.read(len(FILE_MAGIC) - len(head))):
        head += more
    if head != FILE_MAGIC:
        whole = ByteStream(chain([head], iter(lambda: stream.read(COPY_BYTES), b"")))
        with pa.ipc.open_stream(pa.PythonFile(whole, mode="r")) as reader:
            yield from reader
        if whole.read(1):
            raise RowError(JOINED.format("Arrow", "first"))
        return
    with _seekable(stream, head) as file:
        reader = pa.ipc.open_file(pa.PythonFile(file, mode="r"))
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)


@contextmanager
def _seekable(stream: IO[bytes], head: bytes = b"") -> Iterator[IO[bytes]]:
    """Return a stream that can seek: the given one, or a copy with ``head`` before it."""
    if stream.seekable() and not isinstance(stream, COMPRESSED):
        stream.seek(0)
        yield stream
        return
    with tempfile.TemporaryFile() as copy:
        copy.write(head)
        shutil.copyfileobj(stream, copy, COPY_BYTES)
        copy.seek(0)
        yield copy


@contextmanager
def _explained(kind: str) -> Iterator[None]:
    """Turn Arrow's errors about a damaged file into a RowError."""
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, OSError) and (type(error) is not OSError or error.errno is not None):
            raise  # of a disk or a network, not of Arrow about a damaged file
        raise RowError(f"cannot be read as {kind}: {str(error).splitlines()[0]}") from error


PARQUET = FormatKind(
    read_parquet,
    {},
    {},
    columns="names",
    shapes=(
        ("text", "label"),
        ("text", "score"),
        ("tokens", "tags"),
        ("source", "target"),
        ("text",),
    ),
)
FORMATS = {"parquet": PARQUET, "arrow": replace(PARQUET, read=read_arrow)}
