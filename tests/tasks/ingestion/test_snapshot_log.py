"""The snapshot log: appended, truncated, read back."""

from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.sources.base import Partition
from tasks.ingestion.snapshot_log import Ingestion, SnapshotLog, piece_record
from tasks.store.growing_files import seal_path
from tests.tasks.growing import Table, ingest, last, of_files, of_table, texts, write

KEPT = Partition(
    split="all", name="b.csv", version="2", is_kept=True, mark="[5]", location=("/b.csv",)
)
READ_ANEW = Partition(split="test", name="a.csv", version="")


def made(snapshot: str, *pieces: Partition) -> Ingestion:
    return Ingestion(
        snapshot=snapshot,
        parent="before",
        inputs="in",
        rows_key="key",
        made="2024-01-01T00:00:00+00:00",
        rows={"train": 3, "tést": 1},
        new=4,
        gone=0,
        removed=0,
        pieces=[piece_record(piece) for piece in pieces],
    )


def test_dataset_without_ingestion_has_no_history(store: Path) -> None:
    assert SnapshotLog.of("made").ingestions == []
    assert SnapshotLog.of("made").last is None


def test_ingestions_are_read_back_oldest_first(store: Path) -> None:
    lines = [made("one"), made("two", KEPT, READ_ANEW)]
    for line in lines:
        SnapshotLog.of("made").append(line)
    assert SnapshotLog.of("made").ingestions == lines
    assert SnapshotLog.of("made").last == lines[-1]
    assert SnapshotLog.of("other").ingestions == []


def test_only_partitions_with_stored_rows_are_known(store: Path) -> None:
    assert made("one", KEPT, READ_ANEW).known_pieces() == [KEPT]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cut=st.integers(1, 400), num=st.integers(0, 2))
def test_truncated_line_is_ignored_and_removed_with_the_next_append(
    store: Path, cut: int, num: int
) -> None:
    history = SnapshotLog.of("made")
    for path in (history.path, seal_path(history.path)):
        path.unlink(missing_ok=True)
    whole = [made(f"{number}", KEPT) for number in range(num)]
    for line in whole:
        history.append(line)
    with patch("tasks.store.growing_files.seal"):  # a crash before the seal
        history.append(made("lost", KEPT))
    content = history.path.read_bytes()
    start = content.rfind(b"\n", 0, -1) + 1
    history.path.write_bytes(content[: max(start, len(content) - cut)])
    assert SnapshotLog.of("made").ingestions == whole
    SnapshotLog.of("made").append(made("next"))
    assert SnapshotLog.of("made").ingestions == [*whole, made("next")]


def test_truncated_line_does_not_move_the_watermark(store: Path, tmp_path: Path) -> None:
    source_table = Table(tmp_path)
    dataset = of_table(tmp_path)
    source_table.insert(texts(20))
    ingest(dataset)
    before = last()
    source_table.insert(texts(20, start=20))
    with patch("tasks.store.growing_files.seal"):  # a crash before the seal
        grown = ingest(dataset)
    path = SnapshotLog.of("made").path
    path.write_bytes(path.read_bytes()[:-1])  # all but the end of the line
    assert last() == before
    assert ingest(dataset) == grown
    assert last().pieces[:1] == before.pieces
    assert last().parent == before.snapshot


@pytest.mark.parametrize("num", [1, 4])
def test_every_snapshot_names_its_parent(num: int, store: Path, tmp_path: Path) -> None:
    dataset = of_files(tmp_path, all="*.csv")
    digests = [""]
    for number in range(num):
        write(tmp_path / f"{number}.csv", texts(20, start=20 * number))
        digests.append(ingest(dataset).digest)
    found = SnapshotLog.of("made").ingestions
    assert [(line.parent, line.snapshot) for line in found] == list(pairwise(digests))
