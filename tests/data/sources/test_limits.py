"""Small files that unpack beyond the limits raise; the limits have settings."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import RowError
from data.formats.lines import line_blocks
from data.formats.tables import read_parquet
from data.sources.archives import open_member, unpacked
from data.sources.limits import MEMBERS, RATIO, ROW, UNPACKED, limit

BLANKS = b"a\n" * (3 << 20)


def packed(kind: str) -> bytes:
    """6 MB of equal rows, packed to about 6 KB."""
    archive_bytes = io.BytesIO()
    if kind == "gzip":
        return gzip.compress(BLANKS)
    if kind == "zip":
        with zipfile.ZipFile(archive_bytes, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("rows.txt", BLANKS)
    else:
        with tarfile.open(fileobj=archive_bytes, mode="w:gz") as archive:
            info = tarfile.TarInfo("rows.txt")
            info.size = len(BLANKS)
            archive.addfile(info, io.BytesIO(BLANKS))
    return archive_bytes.getvalue()


def drained(content: bytes, kind: str) -> int:
    stream = io.BytesIO(content)
    opened = (
        unpacked(stream, "rows.gz") if kind == "gzip" else open_member(stream, "rows.txt", "rows")
    )
    return sum(len(part) for part in iter(lambda: opened.read(1 << 20), b""))


@pytest.mark.parametrize("kind", ["gzip", "zip", "tar"])
def test_small_file_that_unpacks_beyond_the_limit_raises(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data.sources.limits.FREE_BYTES", 1 << 20)
    content = packed(kind)
    with pytest.raises(
        RowError, match=rf"rows\S* unpacks to more than 200 times its size.*{RATIO}"
    ):
        drained(content, kind)
    monkeypatch.setenv(RATIO, "5000")
    assert drained(content, kind) == len(BLANKS)
    monkeypatch.setenv(UNPACKED, "0.001")
    with pytest.raises(RowError, match=rf"unpacks to more than 0.001 GB.*{UNPACKED}"):
        drained(content, kind)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_archive_of_too_many_members_raises(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMBERS, "3")
    archive_bytes = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(archive_bytes, "w") as archive:
            for number in range(9):
                archive.writestr(f"{number}.txt", "row\n")
    else:
        with tarfile.open(fileobj=archive_bytes, mode="w") as archive:
            for number in range(9):
                archive.addfile(tarfile.TarInfo(f"{number}.txt"))
    archive_bytes.seek(0)
    with pytest.raises(RowError, match=f"rows has more than 3 members.*{MEMBERS}"):
        open_member(archive_bytes, "8.txt", "rows")


def test_parquet_file_of_equal_rows_beyond_the_limit_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data.sources.limits.FREE_BYTES", 1 << 20)
    table = pa.table({"text": pa.repeat("same", 3_000_000).dictionary_encode()})
    pq.write_table(table, tmp_path / "rows.parquet")
    with (
        (tmp_path / "rows.parquet").open("rb") as file,
        pytest.raises(RowError, match="the Parquet file unpacks to more than 200 times"),
    ):
        next(read_parquet([file], {"text": "text"}, {}))


def test_too_long_row_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ROW, "0.001")
    with pytest.raises(RowError, match=rf"a line is longer than 1,048 bytes \({ROW}\)"):
        list(line_blocks(io.BytesIO(b"a" * 5000), "utf-8"))


@pytest.mark.parametrize("text", ["much", "0", "-1", "nan"])
def test_limit_that_is_no_number_raises_with_its_name(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RATIO, text)
    with pytest.raises(RowError, match=f"{RATIO} must be a number above 0, got '{text}'"):
        limit(RATIO)
