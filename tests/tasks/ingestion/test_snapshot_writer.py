"""Rows to a snapshot's files, with the threads in between."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from data.ingestion.splitting import Part
from data.rows.splits import SPLITS
from tasks.ingestion.snapshot import make_snapshot
from tasks.ingestion.snapshot_writer import SnapshotWriter
from tasks.store.artifacts import Snapshot
from tests.tasks.growing import of_files, texts, write


def made(folder: Path, num: int = 3000) -> Snapshot:
    """A snapshot of rows that come in many batches, some of them refused."""
    write(folder / "all.csv", [*texts(num), ("", "pos"), *texts(50)])
    snapshot, _ = make_snapshot(of_files(folder, all=str(folder / "all.csv")))
    return snapshot


def contents(snapshot: Snapshot) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(snapshot.folder.iterdir())}


def test_equal_rows_give_byte_identical_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    monkeypatch.setattr("data.formats.delimited.BLOCK_BYTES", 4096)
    found = []
    for name in ("one", "other"):
        monkeypatch.setenv("REFRAIN_HOME", str(tmp_path / name))
        found.append(contents(made(tmp_path)))
    assert found[0] == found[1]


def test_rows_keep_the_order_of_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    monkeypatch.setattr("data.formats.delimited.BLOCK_BYTES", 4096)
    snapshot = made(tmp_path)
    for split in SPLITS:
        numbers = [int(text.split()[-1]) for text in snapshot.table(split)["text"].to_pylist()]
        assert numbers == sorted(numbers)
    assert sum(snapshot.rows.values()) == 3051


class OwnError(Exception):
    pass


def readers() -> int:
    """Count the threads, without the heartbeat that each store starts once."""
    return sum(thread.name != "heartbeat" for thread in threading.enumerate())


def test_source_error_keeps_its_type_and_leaves_no_file(tmp_path: Path, store: Path) -> None:
    def parts() -> Iterator[Part]:
        raise OwnError
        yield

    before = readers()
    writer = SnapshotWriter(of_files(tmp_path, all="all.csv"), None)
    with pytest.raises(OwnError), writer.writing():
        writer.add_all(parts())
    assert readers() == before
    assert list(store.rglob("*.npy")) == []


def test_write_error_ends_the_reading_thread(tmp_path: Path, store: Path) -> None:
    is_closed = threading.Event()

    def parts() -> Iterator[Part]:
        try:
            while True:
                yield Part("no such column", None)
        finally:
            is_closed.set()

    writer = SnapshotWriter(of_files(tmp_path, all="all.csv"), None)
    with pytest.raises(AttributeError), writer.writing():
        writer.add_all(parts())
    assert is_closed.is_set()


def test_labels_are_dictionary_encoded_and_texts_are_not(tmp_path: Path, store: Path) -> None:
    columns = pq.ParquetFile(made(tmp_path).folder / "train.parquet").metadata.row_group(0)
    is_coded = {
        columns.column(i).path_in_schema: columns.column(i).has_dictionary_page
        for i in range(columns.num_columns)
    }
    assert is_coded == {"text": False, "label": True}
