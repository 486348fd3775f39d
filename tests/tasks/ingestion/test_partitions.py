"""Partitions with stored rows, and which of these rows are live."""

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.catalog.catalog import Dataset
from data.errors import RowError
from data.ingestion.splitting import checked_tables
from data.rows.streams import parquet_batches
from data.sources.base import Access, Partition
from tasks.ingestion.partitions import (
    ROWS,
    LateRowsError,
    PartitionRows,
    current_rows,
    kept_rows,
    piece_tables,
)
from tests.tasks.growing import Table, of_files, of_table, partitions_read, texts, write

ACCESS = Access(Path("unused"))
KEY = "rows key"


def files(folder: Path) -> tuple[Dataset, list[Partition]]:
    write(folder / "a.csv", [*texts(20), ("", "pos")])
    write(folder / "b.csv", texts(5, start=20))
    dataset = of_files(folder, all="*.csv")
    return dataset, dataset.source.pieces(ACCESS, [])


def rows_of(tables: Any) -> list[dict[str, Any]]:
    return pa.concat_tables(tables).to_pylist()


def test_partition_keeps_all_rows_that_were_read_including_rejected_ones(
    store: Path, tmp_path: Path
) -> None:
    dataset, pieces = files(tmp_path)
    for piece in pieces:
        expected = rows_of(checked_tables(dataset, piece, ACCESS))
        kept = kept_rows(dataset, piece, ACCESS, KEY)
        assert (kept.rows, kept.name) == (len(expected), piece.name)
        assert rows_of(parquet_batches(kept.folder / ROWS)) == expected
        assert rows_of(piece_tables(dataset, piece, ACCESS, KEY)) == expected


def test_partition_is_read_from_the_source_once(store: Path, tmp_path: Path) -> None:
    dataset, (piece, _) = files(tmp_path)
    with partitions_read() as opened:
        first = kept_rows(dataset, piece, ACCESS, KEY)
        assert kept_rows(dataset, piece, ACCESS, KEY) == first
        assert len(rows_of(piece_tables(dataset, piece, ACCESS, KEY))) == 21
    assert opened == ["a.csv"]


@pytest.mark.parametrize("changed", ["version", "split", "rows key"])
def test_changed_version_makes_a_new_partition(changed: str, store: Path, tmp_path: Path) -> None:
    dataset, (piece, _) = files(tmp_path)
    other = {"version": "9", "split": "train"}
    again = Partition(**{**vars(piece), **({changed: other[changed]} if changed in other else {})})
    first = kept_rows(dataset, piece, ACCESS, KEY)
    assert (
        kept_rows(dataset, again, ACCESS, "another" if changed == "rows key" else KEY).digest
        != first.digest
    )


def test_partition_that_was_not_read_completely_is_not_stored(store: Path, tmp_path: Path) -> None:
    dataset, (piece, _) = files(tmp_path)
    (tmp_path / "a.csv").write_text("text,label\n" + "lumo,pos\n" * 9 + "a" * (9 << 20))
    with pytest.raises(RowError, match="longer than"):
        kept_rows(dataset, piece, ACCESS, KEY)
    assert list((store / PartitionRows.KIND).iterdir()) == []
    write(tmp_path / "a.csv", texts(7))
    assert kept_rows(dataset, dataset.source.pieces(ACCESS, [])[0], ACCESS, KEY).rows == 7


def live_rows_of(
    dataset: Dataset, pieces: list[Partition], **options: bool
) -> list[tuple[str, str]]:
    """Key and text of the live rows, in order."""
    lives = current_rows(dataset, pieces, ACCESS, KEY, **options)
    tables = [
        table
        for piece, live in zip(pieces, lives, strict=True)
        for table in piece_tables(dataset, piece, ACCESS, KEY, live)
    ]
    return [(row["key"], row["text"]) for table in tables for row in table.to_pylist()]


LATE = st.integers(0, 40)  # stamps below the newest; 0 is none
STEP = st.tuples(st.sampled_from(["insert", "update", "delete"]), st.integers(1, 8), LATE)


def do(step: tuple[str, int, int], source_table: Table, used: set[tuple[int, int]]) -> None:
    """Change a table; no row reuses an earlier stamp, as that change would be invisible."""
    kind, what, late = step
    source_table.stamp += 7
    stamp = source_table.stamp - late
    if kind == "insert":
        source_table.insert(texts(what % 3 + 1, start=10 * len(used)), stamp)
        used |= {(key, stamp) for key, _ in source_table.rows()}
    elif kind == "update" and (what, stamp) not in used:
        source_table.update(what, f"changed {len(used)}", stamp)
        used.add((what, stamp))
    elif kind == "delete":
        source_table.delete(what)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(STEP, max_size=4), min_size=1, max_size=6))
def test_live_rows_equal_those_of_the_table(
    growths: list[list[tuple[str, int, int]]],
) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as context:
        context.setenv("REFRAIN_HOME", f"{name}/store")
        source_table = Table(Path(name))
        dataset = of_table(Path(name))
        pieces: list[Partition] = []
        used: set[tuple[int, int]] = set()
        for steps in growths:
            for step in steps:
                do(step, source_table, used)
            pieces = dataset.source.pieces(ACCESS, pieces)
            try:
                found = live_rows_of(dataset, pieces)
            except LateRowsError:
                pieces = dataset.source.pieces(ACCESS, [])
                found = live_rows_of(dataset, pieces)
            assert sorted(found) == sorted((str(key), text) for key, text in source_table.rows())


def test_rows_written_after_the_listing_are_not_late(store: Path, tmp_path: Path) -> None:
    source_table = Table(tmp_path)
    dataset = of_table(tmp_path)
    source_table.insert(texts(3))
    pieces = dataset.source.pieces(ACCESS, [])
    assert len(live_rows_of(dataset, pieces)) == 3
    source_table.insert(texts(2, start=3))
    source_table.update(1, "changed")
    assert live_rows_of(dataset, pieces) == [
        (str(key + 1), text) for key, (text, _) in enumerate(texts(3))
    ]


@pytest.mark.parametrize("stamp", [0, 1])
def test_late_rows_raise_unless_everything_was_just_read(
    stamp: int, store: Path, tmp_path: Path
) -> None:
    source_table = Table(tmp_path)
    dataset = of_table(tmp_path)
    source_table.insert(texts(3))
    source_table.insert(texts(3, start=3))
    pieces = dataset.source.pieces(ACCESS, [])
    assert len(live_rows_of(dataset, pieces)) == 6
    source_table.insert([("late", "pos")], stamp=stamp)
    with pytest.raises(LateRowsError):
        live_rows_of(dataset, pieces)
    assert len(live_rows_of(dataset, pieces, is_last=True)) == 6


def test_all_rows_of_files_are_live(store: Path, tmp_path: Path) -> None:
    dataset, pieces = files(tmp_path)
    assert current_rows(dataset, pieces, ACCESS, KEY) == [None, None]
