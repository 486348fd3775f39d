"""Snapshots: causes of new ones, state after a crash, faults that stop a training."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from data.catalog.catalog import Dataset, find_dataset
from data.errors import RowError
from data.ingestion.splitting import REFUSED
from data.rows.splits import SPLITS
from tasks.ingestion.catalog_entries import checked_entry
from tasks.ingestion.partitions import PartitionRows
from tasks.ingestion.snapshot import check_share, make_snapshot
from tasks.ingestion.snapshot_log import SnapshotLog
from tasks.ingestion.snapshot_writer import SnapshotWriter
from tasks.store.artifacts import Snapshot
from tests.tasks.growing import (
    Table,
    all_texts,
    entry,
    ingest,
    last,
    of_files,
    of_table,
    texts,
    write,
)

FILES = {"kind": "files", "paths": {"all": "*.csv"}}


def refuses(*_: Any, **__: Any) -> Any:
    raise OSError("the disk is full")


CRASHES: dict[str, tuple[type, str]] = {
    "before the first row": (SnapshotWriter, "add"),
    "before the files are whole": (SnapshotWriter, "_write_report"),
    "before the rows of a piece are kept": (PartitionRows, "commit"),
    "before the manifest": (Snapshot, "commit"),
    "before the line of the history": (SnapshotLog, "append"),
}


def with_files(folder: Path) -> tuple[Dataset, Callable[[int], None]]:
    write(folder / "first.csv", texts(20))
    return of_files(folder, all="*.csv"), lambda number: write(
        folder / f"{number}.csv", texts(20, start=20 * number)
    )


def with_table(folder: Path) -> tuple[Dataset, Callable[[int], None]]:
    source_table = Table(folder)
    source_table.insert(texts(20))
    return of_table(folder), lambda number: source_table.insert(texts(20, start=20 * number))


@pytest.mark.parametrize("make", [with_files, with_table])
@pytest.mark.parametrize("crash", CRASHES)
def test_a_crash_moves_no_watermark_and_loses_nothing(
    crash: str,
    make: Callable[[Path], tuple[Dataset, Callable[[int], None]]],
    store: Path,
    tmp_path: Path,
) -> None:
    dataset, grow = make(tmp_path)
    ingest(dataset)
    before = last()
    grow(1)
    with patch.object(*CRASHES[crash], refuses), pytest.raises(OSError, match="the disk is full"):
        make_snapshot(dataset)
    assert last() == before
    assert not list((store / "snapshots").glob("*partial*"))
    grow(2)
    assert all_texts(ingest(dataset)) == {text for text, _ in texts(60)}
    assert (last().new, last().parent) == (40, before.snapshot)
    assert make_snapshot(dataset)[1] is False


def test_a_crash_while_a_row_is_read_leaves_nothing(store: Path, tmp_path: Path) -> None:
    dataset, _ = with_files(tmp_path)
    (tmp_path / "second.csv").write_text("text,lable\nlumo,pos\n")
    with pytest.raises(RowError, match=r"second.csv: has no column 'label': did you mean lable\?"):
        make_snapshot(dataset)
    assert SnapshotLog.of("made").last is None
    assert not list((store / "snapshots").glob("*"))


DESCRIPTIONS = {"about": "other", "language": "yy", "licence": "other", "origin": "other"}
MATTERS: dict[str, dict[str, Any]] = {
    "labels": {"labels": {"pos": "good", "neg": "bad"}},
    "checks": {"checks": {"min_length": 2}},
    "shares": {"splits": {"validation": 0.1, "test": 0.1}},
    "tokenizer": {"tokenizer": "characters"},
    "where": {"where": {"label": "pos"}},
}


@pytest.mark.parametrize("key", DESCRIPTIONS)
def test_changed_descriptions_of_an_entry_make_no_new_snapshot(
    key: str, store: Path, tmp_path: Path
) -> None:
    write(tmp_path / "rows.csv", texts(20))
    first = ingest(entry(tmp_path, FILES))
    assert make_snapshot(entry(tmp_path, FILES, **{key: DESCRIPTIONS[key]})) == (first, False)
    assert len(SnapshotLog.of("made").ingestions) == 1


@pytest.mark.parametrize("change", MATTERS)
def test_changed_keys_that_affect_rows_read_the_source_again(
    change: str, store: Path, tmp_path: Path
) -> None:
    write(tmp_path / "rows.csv", texts(20))
    ingest(entry(tmp_path, FILES))
    ingest(entry(tmp_path, FILES, **MATTERS[change]))
    first, second = SnapshotLog.of("made").ingestions
    assert first.rows_key != second.rows_key


def test_changed_rules_apply_to_earlier_rows_too(store: Path, tmp_path: Path) -> None:
    write(tmp_path / "a.csv", texts(20))
    write(tmp_path / "b.csv", [("short", "pos")])
    ingest(entry(tmp_path, FILES))
    snapshot = ingest(entry(tmp_path, FILES, checks={"min_length": 6}))
    assert snapshot.reasons == {"too_short": 1}
    assert last().gone == 1


CONLL = "".join(f"lumo{number} B-PER\n" + "ta O\n" * (number % 4) + "\n" for number in range(200))


def test_snapshot_digest_does_not_depend_on_batch_size(store: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.conll").write_text(CONLL)
    source = {"kind": "files", "paths": {"all": "rows.conll"}}
    shape: dict[str, Any] = {
        "problem": "ner",
        "format": {"kind": "conll"},
        "columns": {"tokens": 0, "tags": 1},
    }
    first, _ = make_snapshot(entry(tmp_path, source, **shape))
    with patch("data.formats.encoding.BLOCK_BYTES", 64):
        again, is_new = make_snapshot(entry(tmp_path, source, **shape, checks={"min_length": 1}))
    assert last().rows_key != SnapshotLog.of("made").ingestions[0].rows_key
    assert (again, is_new) == (first, False)


@pytest.mark.parametrize(
    "change", ["a text", "a label", "two sides that flow into each other", "a row more"]
)
def test_snapshot_digest_changes_with_the_rows(change: str, store: Path, tmp_path: Path) -> None:
    rows = texts(20)
    write(tmp_path / "rows.csv", rows)
    first = ingest(of_files(tmp_path, all="rows.csv"))
    other = {
        "a text": [*rows[:-1], ("lumo other", "pos")],
        "a label": [*rows[:-1], (rows[-1][0], "neg")],
        "two sides that flow into each other": [*rows[:-1], (f"{rows[-1][0]}p", "os")],
        "a row more": [*rows, ("lumo more", "pos")],
    }
    write(tmp_path / "rows.csv", other[change])
    assert ingest(of_files(tmp_path, all="rows.csv")).digest != first.digest


def test_the_report_counts_read_kept_and_rejected_rows(store: Path, tmp_path: Path) -> None:
    write(
        tmp_path / "rows.csv",
        [*texts(50), ("", "pos"), ("lumo", ""), texts(1)[0], (texts(1)[0][0], "neg")],
    )
    snapshot = ingest(of_files(tmp_path, all="rows.csv"))
    report = json.loads((snapshot.folder / "report.json").read_text())
    reasons = {"no_text": 2, "duplicate": 1, "conflict": 1}
    assert (report["read"], report["kept"], report["refused"]) == (54, 50, 4)
    assert report["reasons"] == reasons
    assert snapshot.reasons == reasons
    assert sum(snapshot.rows.values()) == 54
    assert (report["new"], report["gone"], report["removed"]) == (50, 0, 0)
    assert {kind: len(rows) for kind, rows in report["examples"].items()} == reasons
    assert {split: report["splits"][split]["rows"] for split in SPLITS} == {
        split: snapshot.rows.get(split, 0) for split in SPLITS
    }


def test_an_invalid_line_of_a_removal_list_raises_with_its_number(
    store: Path, tmp_path: Path
) -> None:
    write(tmp_path / "rows.csv", texts(20))
    (tmp_path / "gone.txt").write_text("# people\n\nlumo ta\n")
    with pytest.raises(
        RowError,
        match=r"line 3: expected text:HASH \(16 hexadecimal digits\) or key:VALUE, got 'lumo ta'",
    ):
        make_snapshot(entry(tmp_path, FILES, removals="gone.txt"))


def snapshot_of(
    folder: Path, num_fine: int, num_refused: int, **changes: Any
) -> tuple[Dataset, Snapshot]:
    write(folder / "rows.csv", [*texts(num_fine), *[("", "pos")] * num_refused])
    dataset = entry(folder, FILES, **changes)
    return dataset, ingest(dataset)


def test_too_many_rejected_rows_raise_with_examples_of_each_reason(
    store: Path, tmp_path: Path
) -> None:
    dataset, snapshot = snapshot_of(tmp_path, num_fine=90, num_refused=10)
    with pytest.raises(
        RowError,
        match=r"10 of 100 rows were rejected, more than checks.max_refused_share 5% allows",
    ) as error:
        check_share(dataset, snapshot)
    assert str(snapshot.folder / f"{REFUSED}.parquet") in str(error.value)
    assert f"{tmp_path}/rows.csv, row 92: text: empty" in str(error.value)


def test_ingestion_continues_with_as_many_rejected_rows_as_allowed(
    store: Path, tmp_path: Path
) -> None:
    check_share(
        *snapshot_of(tmp_path, num_fine=90, num_refused=10, checks={"max_refused_share": 0.1})
    )


def test_an_empty_split_raises_with_its_name(store: Path, tmp_path: Path) -> None:
    dataset, snapshot = snapshot_of(
        tmp_path, num_fine=90, num_refused=1, splits={"validation": 0.2}
    )
    with pytest.raises(
        RowError, match=r"made: split test has no rows \(91 read; rejected: 1 no_text\)"
    ):
        check_share(dataset, snapshot)


def test_an_unknown_problem_raises_with_the_nearest_name(store: Path, tmp_path: Path) -> None:
    entry(tmp_path, FILES, problem="sentimant")
    with pytest.raises(RowError, match=r"catalog.yaml, entry made, problem: .*sentiment"):
        checked_entry("made", str(tmp_path / "catalog.yaml"))


def test_rows_with_wrong_columns_for_the_problem_raise(store: Path, tmp_path: Path) -> None:
    entry(tmp_path, FILES, problem="translation")
    with pytest.raises(
        RowError,
        match="entry made, columns: translation reads source and target, got text and label",
    ):
        checked_entry("made", str(tmp_path / "catalog.yaml"))


def test_an_entry_with_the_columns_of_its_problem_is_accepted(store: Path, tmp_path: Path) -> None:
    dataset = entry(tmp_path, FILES)
    assert (
        checked_entry("made", str(tmp_path / "catalog.yaml"))
        == dataset
        == find_dataset("made", tmp_path / "catalog.yaml")
    )


@pytest.mark.case("07")
def test_ingestion_accepts_an_export_that_repeats_all_earlier_rows(
    store: Path, tmp_path: Path
) -> None:
    for day in range(1, 6):
        write(tmp_path / f"{day}.csv", texts(20 * day))
    dataset = entry(tmp_path, FILES)
    snapshot = ingest(dataset)
    check_share(dataset, snapshot)
    assert (snapshot.reasons, sum(snapshot.rows.values())) == ({"duplicate": 200}, 300)


@pytest.mark.case("07")
def test_duplicates_do_not_hide_damaged_rows(store: Path, tmp_path: Path) -> None:
    write(tmp_path / "first.csv", texts(50))
    write(tmp_path / "second.csv", [*texts(50), *[("", "pos")] * 10])
    dataset = entry(tmp_path, FILES)
    with pytest.raises(RowError, match=r"10 of 110 rows were rejected") as error:
        check_share(dataset, ingest(dataset))
    assert "duplicate, leak, missing not counted" in str(error.value)
    assert "the same row stood before" not in str(error.value)


@pytest.mark.case("07")
def test_ingestion_continues_despite_leaks_into_a_published_test_split(
    store: Path, tmp_path: Path
) -> None:
    write(tmp_path / "test.csv", texts(20))
    write(tmp_path / "train.csv", texts(60))
    dataset = of_files(tmp_path, train="train.csv", test="test.csv")
    snapshot = ingest(dataset)
    check_share(dataset, snapshot)
    assert snapshot.reasons == {"leak": 20}
