"""The history of a dataset, and a check of it without training."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from data.errors import RowError
from tasks.ingest import ingest as task
from tasks.ingestion.removals import forget
from tasks.ingestion.snapshot_log import SnapshotLog
from tasks.maintenance.snapshot_overview import check_dataset, list_snapshots
from tasks.store.artifacts import Snapshot
from tests.conftest import ENTRY
from tests.tasks.growing import entry, ingest, of_files, texts, write
from tests.tasks.trained import registered, trained


def catalog(folder: Path, **changes: Any) -> str:
    path = folder / "catalog.yaml"
    path.write_text(yaml.safe_dump({"made": ENTRY | changes}))
    return str(path)


def test_dataset_without_ingestion_has_no_history(store: Path) -> None:
    assert list_snapshots("made") == []


def test_overview_lists_snapshots_with_parent_and_changes(store: Path, tmp_path: Path) -> None:
    write(tmp_path / "rows.csv", texts(40))
    dataset = of_files(tmp_path, all="rows.csv")
    first = ingest(dataset)
    write(tmp_path / "rows.csv", texts(60)[10:])
    second = ingest(dataset)
    forget(dataset, [texts(60)[50][0]], [])
    third = ingest(dataset)
    report = list_snapshots("made")
    keys = ("snapshot", "parent", "new", "gone", "removed", "is_there")
    assert [tuple(row[key] for key in keys) for row in report] == [
        (first.digest, "", 40, 0, 0, True),
        (second.digest, first.digest, 20, 10, 0, True),
        (third.digest, second.digest, 0, 1, 1, True),
    ]
    assert [sum(row["rows"].values()) for row in report] == [40, 50, 49]


def test_overview_omits_ingestions_without_changes(store: Path, tmp_path: Path) -> None:
    write(tmp_path / "rows.csv", texts(40))
    ingest(of_files(tmp_path, all="rows.csv"))
    ingest(entry(tmp_path, ENTRY["source"], checks={"max_length": 999}))  # type: ignore[arg-type]
    assert len(SnapshotLog.of("made").ingestions) == 2
    assert len(list_snapshots("made")) == 1


def test_overview_lists_a_snapshot_again_when_its_rows_return(store: Path, tmp_path: Path) -> None:
    for num in (40, 60, 40):
        write(tmp_path / "rows.csv", texts(num))
        ingest(of_files(tmp_path, all="rows.csv"))
    report = list_snapshots("made")
    assert report[0]["snapshot"] == report[2]["snapshot"] != report[1]["snapshot"]
    assert (report[2]["new"], report[2]["gone"]) == (0, 20)


def test_overview_lists_versions_with_their_snapshot(mlflow_store: Path, tmp_path: Path) -> None:
    made = []
    for num in (40, 60, 80):
        write(tmp_path / "rows.csv", texts(num))
        made.append(ingest(of_files(tmp_path, all="rows.csv")))
    registered(trained(made[0]), "champion")
    registered(trained(made[0], settings="other"))
    registered(trained(made[2]), "challenger", "newest")
    assert [row["versions"] for row in list_snapshots("made")] == [
        ["version 1 (champion)", "version 2"],
        [],
        ["version 3 (challenger, newest)"],
    ]


def test_overview_marks_pruned_snapshots(store: Path, tmp_path: Path) -> None:
    for num in (40, 60):
        write(tmp_path / "rows.csv", texts(num))
        snapshot = ingest(of_files(tmp_path, all="rows.csv"))
    report = list_snapshots("made")
    for path in Snapshot.folder_of("made", report[0]["snapshot"]).iterdir():
        path.unlink()
    assert [row["is_there"] for row in list_snapshots("made")] == [False, True]
    assert snapshot.digest == report[1]["snapshot"]


def test_ingest_accepts_an_older_snapshot_by_a_prefix_of_its_digest(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "rows.csv", texts(40))
    first = ingest(of_files(tmp_path, all="rows.csv"))
    write(tmp_path / "rows.csv", texts(60))
    second = ingest(of_files(tmp_path, all="rows.csv"))
    (tmp_path / "rows.csv").unlink()  # it is not even looked at
    state = task.fn("made", catalog(tmp_path), first.digest[:5])
    assert state.name == "Unchanged"
    assert state.data == first
    last = SnapshotLog.of("made").last
    assert last is not None
    assert last.snapshot == second.digest


def test_check_ingests_as_a_retraining_and_again_finds_nothing_new(
    store: Path, tmp_path: Path
) -> None:
    write(tmp_path / "rows.csv", texts(40))
    first, second = (check_dataset("made", catalog(tmp_path)) for _ in range(2))
    assert (first.is_new, second.is_new) == (True, False)
    assert first.snapshot == second.snapshot
    assert task.fn("made", catalog(tmp_path)).data == first.snapshot
    assert first.fault == second.fault == ""
    assert first.page == second.page
    assert first.path == first.snapshot.folder / "report.html"
    assert first.path.exists()


FAULTS = {
    "only a header": ([], {}, "split train has no rows"),
    "no test split": (texts(40), {"splits": {"validation": 0.2}}, "split test has no rows"),
    "too many refused": (
        [*texts(10), *[("", "pos")] * 10],
        {},
        "10 of 20 rows were rejected, more than checks.max_refused_share",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_check_reports_what_would_stop_a_training(case: str, store: Path, tmp_path: Path) -> None:
    rows, changes, expected = FAULTS[case]
    write(tmp_path / "rows.csv", rows)
    checked = check_dataset("made", catalog(tmp_path, **changes))
    assert expected in checked.fault
    assert f"{len(rows)} rows read" in checked.page
    assert checked.report["read"] == len(rows)
    with pytest.raises(RowError, match=expected):
        task.fn("made", catalog(tmp_path, **changes))


def test_check_reports_an_empty_published_test_file(store: Path, tmp_path: Path) -> None:
    write(tmp_path / "rows.csv", texts(40))
    write(tmp_path / "test.csv", [])
    paths = {"train": "rows.csv", "test": "test.csv"}
    checked = check_dataset(
        "made",
        catalog(tmp_path, source={"kind": "files", "paths": paths}, splits={"validation": 0.2}),
    )
    assert "split test has no rows" in checked.fault
    assert "test has no rows, so nothing can be trained" in checked.page


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            lambda path: path.mkdir(),
            "expected a file, got a directory: for the files in a folder write its name and /\\*",
        ),
        (lambda path: None, "there is no file .*rows.csv"),
    ],
    ids=["directory", "missing"],
)
def test_check_raises_for_a_file_without_rows_and_leaves_nothing(
    make: Any, expected: str, store: Path, tmp_path: Path
) -> None:
    make(tmp_path / "rows.csv")
    with pytest.raises(RowError, match=expected):
        check_dataset("made", catalog(tmp_path))
    assert list(store.glob("snapshots/*")) == []
