"""Rows that are newer than the champion's snapshot."""

from pathlib import Path

import pytest

from tasks.monitoring.new_rows import find_new_rows, samples_of
from tasks.store.artifacts import Snapshot
from tests.tasks.growing import ingest, of_files, texts, write

ROLES = ("text", "label")
pytestmark = pytest.mark.usefixtures("store")


def grown(folder: Path, num_old: int, num_new: int) -> tuple[Snapshot, Snapshot]:
    """Two snapshots of a folder; the second has more rows."""
    dataset = of_files(folder, all="*.csv")
    write(folder / "1.csv", texts(num_old))
    before = ingest(dataset)
    write(folder / "2.csv", texts(num_new, start=num_old))
    return before, ingest(dataset)


def test_only_rows_that_the_snapshot_lacks_are_new(tmp_path: Path) -> None:
    before, now = grown(tmp_path, 100, 60)
    new = find_new_rows(now, before, ROLES)
    assert new.num == 60
    assert {row.split()[-1] for row in new.table(100)["text"].to_pylist()} == {
        str(i) for i in range(100, 160)
    }
    assert find_new_rows(before, before, ROLES).num == 0


def test_a_text_with_another_label_is_new(tmp_path: Path) -> None:
    before, _ = grown(tmp_path, 100, 10)
    (tmp_path / "2.csv").unlink()
    write(tmp_path / "1.csv", [(text, "neg") for text, _ in texts(100)[:5]] + texts(95, start=5))
    assert find_new_rows(ingest(of_files(tmp_path, all="*.csv")), before, ROLES).num == 5


def test_samples_are_of_equal_size_and_known_rows_are_others(tmp_path: Path) -> None:
    before, now = grown(tmp_path, 200, 200)
    samples = samples_of(find_new_rows(now, before, ROLES), before, most=80)
    old, new, known = (
        set(table["text"].to_pylist()) for table in (samples.old, samples.new, samples.known)
    )
    assert len(old) == len(new) <= 80
    assert len(new) > 60  # splits of other sizes leave out a few rows at most
    assert not old & new
    assert not known & (old | new)
    assert known


def test_no_new_rows_make_empty_samples(tmp_path: Path) -> None:
    before, _ = grown(tmp_path, 100, 10)
    samples = samples_of(find_new_rows(before, before, ROLES), before, most=10)
    assert samples.old.num_rows == samples.new.num_rows == 0
