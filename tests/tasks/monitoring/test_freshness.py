"""A source that goes quiet, grows old, delivers known rows again, or delivers unusual ones."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from data.catalog.catalog import Dataset
from tasks.monitoring.freshness import Freshness, check_freshness
from tests.tasks.growing import Table, entry, ingest, of_files, of_table, texts, write

pytestmark = pytest.mark.usefixtures("store")
FILES = {"kind": "files", "paths": {"all": "*.csv"}}


def night(dataset: Dataset, number: int) -> Freshness:
    """Ingest and check at the same time of a later day."""
    ingest(dataset)
    return check_freshness(dataset, datetime.now(UTC) + timedelta(days=number))


def of(folder: Path, **checks: Any) -> Dataset:
    return entry(folder, FILES, checks=checks)


def test_a_source_that_grew_and_goes_quiet_is_stale_after_some_slots(tmp_path: Path) -> None:
    dataset = of(tmp_path, max_quiet_slots=3)
    for number in (0, 1):
        write(tmp_path / f"{number}.csv", texts(50, start=50 * number))
        assert night(dataset, number).state == ""
    found = [night(dataset, number) for number in range(2, 6)]
    assert [each.quiet_slots for each in found] == [1, 2, 3, 4]
    assert [each.state for each in found] == ["", "", "Stale", "Stale"]
    assert "no new rows in 3 slots" in found[2].warnings[0]
    write(tmp_path / "new.csv", texts(50, start=500))
    assert night(dataset, 6).state == ""


@pytest.mark.parametrize(("checks", "minutes"), [({}, 30), ({"slot_minutes": 1}, 0.9)])
def test_slots_close_to_each_other_count_once(
    tmp_path: Path, checks: dict[str, Any], minutes: float
) -> None:
    dataset = of(tmp_path, **checks)
    write(tmp_path / "1.csv", texts(50))
    ingest(dataset)
    now = datetime.now(UTC)
    times = [now + timedelta(minutes=passed) for passed in (0, minutes, 2.2 * minutes)]
    found = [check_freshness(dataset, at) for at in times]
    assert [(each.quiet_slots, each.is_counted) for each in found] == [
        (0, True),
        (0, False),
        (1, True),
    ]


def test_a_source_that_never_grew_is_complete_and_never_quiet(tmp_path: Path) -> None:
    write(tmp_path / "1.csv", texts(50))
    dataset = of(tmp_path, max_quiet_slots=2)
    assert [night(dataset, number).state for number in range(5)] == [""] * 5


def test_a_row_older_than_the_limit_is_stale(tmp_path: Path) -> None:
    write(tmp_path / "1.csv", texts(50))
    dataset = of(tmp_path, max_age_days=3)
    assert night(dataset, 2).state == ""
    found = night(dataset, 4)
    assert found.state == "Stale"
    assert "the newest row is 4.0 days old" in found.warnings[0]


def test_the_age_is_that_of_the_newest_row_where_rows_have_a_time(tmp_path: Path) -> None:
    table = Table(tmp_path)
    table.insert(texts(50), stamp="2026-01-01 12:00:00")  # type: ignore[arg-type]
    dataset = of_table(tmp_path)
    ingest(dataset)
    found = check_freshness(dataset, datetime(2026, 1, 11, 12, tzinfo=UTC))
    assert found.age_days == pytest.approx(10, abs=0.01)


def test_yesterdays_file_delivered_again_is_stale(tmp_path: Path) -> None:
    dataset = of_files(tmp_path, all="*.csv")
    write(tmp_path / "1.csv", texts(50))
    ingest(dataset)
    write(tmp_path / "2.csv", texts(50))
    found = night(dataset, 1)
    assert found.state == "Stale"
    assert "2.csv, and all rows were known before" in found.warnings[0]


def test_a_delivery_of_another_size_is_unusual(tmp_path: Path) -> None:
    dataset = of_files(tmp_path, all="*.csv")
    start = 0
    for number, num in enumerate((300, 50, 52, 48, 51, 400)):
        write(tmp_path / f"{number}.csv", texts(num, start=start))
        start += num
        found = night(dataset, number)
        assert found.state == ("Unusual" if num == 400 else ""), found.warnings
    assert found.warnings == ["400 new rows, where the last 4 deliveries had 50 each"]


def test_a_share_of_labels_outside_of_those_before_is_unusual(tmp_path: Path) -> None:
    dataset = of_files(tmp_path, all="*.csv")
    for number in range(5):
        rows = [
            (text, "neg" if i % 2 and number < 4 else "pos")
            for i, (text, _) in enumerate(texts(100, start=100 * number))
        ]
        if number == 4:
            rows += [(text, "pos") for text, _ in texts(300, start=1000)]
        write(tmp_path / f"{number}.csv", rows)
        found = night(dataset, number)
    assert any("of the labels are 'pos'" in warning for warning in found.unusual)
