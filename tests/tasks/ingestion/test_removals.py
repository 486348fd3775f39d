"""Removal lists: their content, and what no later snapshot contains."""

from pathlib import Path
from random import Random

import pyarrow.parquet as pq
import pytest

from data.catalog.catalog import Dataset
from data.errors import RowError
from data.ingestion.splitting import REFUSED
from data.sources.base import Access
from tasks.ingestion.partitions import PartitionRows, piece_key
from tasks.ingestion.removals import forget, holders, own_list, removal_lines
from tasks.ingestion.snapshot import make_snapshot
from tasks.ingestion.snapshot_log import SnapshotLog
from tasks.ingestion.snapshot_writer import read_report
from tasks.store.artifacts import Snapshot
from tasks.store.growing_files import seal_path
from tests.tasks.growing import (
    Table,
    all_texts,
    copy_of,
    entry,
    ingest,
    last,
    of_files,
    of_table,
    plain,
    texts,
    write,
)

REMOVED = "Kalo Bren wants 3 lumo"
ROWS = [*texts(30), (REMOVED, "pos")]


def remove_own_list() -> None:
    """Remove the list of ``refrain forget``, with the seal that would miss it."""
    own_list("made").unlink()
    seal_path(own_list("made")).unlink()


def lines_of(dataset: Dataset) -> list[str]:
    return own_list(dataset.name).read_text().splitlines()


def of_rows(folder: Path, rows: list[tuple[str, str]] = ROWS, **changes: str) -> Dataset:
    write(folder / "rows.csv", rows)
    return entry(folder, {"kind": "files", "paths": {"all": "rows.csv"}}, **changes)


def test_removal_list_contains_hashes_and_no_text(store: Path, tmp_path: Path) -> None:
    dataset = of_rows(tmp_path)
    new = forget(dataset, [REMOVED, "ta mi"], [])
    assert lines_of(dataset) == new
    assert all(line.startswith("text:") and len(line) == 21 for line in new)
    ingest(dataset)
    found = [
        path
        for path in store.rglob("*")
        if path.is_file() and REMOVED.encode() in path.read_bytes()
    ]
    assert found == []


def test_text_is_listed_once_for_all_its_spellings(store: Path, tmp_path: Path) -> None:
    dataset = of_rows(tmp_path)
    chance = Random(0)
    assert len(forget(dataset, [REMOVED], [])) == 1
    assert forget(dataset, [copy_of(REMOVED, chance) for _ in range(50)], []) == []
    assert len(lines_of(dataset)) == 1


def test_removed_text_and_its_duplicates_are_gone_and_counted(store: Path, tmp_path: Path) -> None:
    chance = Random(0)
    copies = [(copy_of(REMOVED, chance), ("neg", "pos")[i % 2]) for i in range(20)]
    dataset = of_rows(tmp_path, [*ROWS, *copies, (f"{REMOVED} too", "pos")])
    before = ingest(dataset)
    assert plain(REMOVED) in {plain(text) for text in all_texts(before)}
    forget(dataset, [copy_of(REMOVED, chance)], [])
    after = ingest(dataset)
    assert plain(REMOVED) not in {plain(text) for text in all_texts(after)}
    assert all_texts(before) - all_texts(after) == {
        text for text in all_texts(before) if plain(text) == plain(REMOVED)
    }
    assert last().removed == read_report(after)["removed"] == 21
    raw = after.table(REFUSED)["raw"].to_pylist() if after.rows.get(REFUSED) else []
    assert [text for text in raw if plain(REMOVED) in plain(text)] == []


def test_removed_text_stays_removed_when_its_row_returns(store: Path, tmp_path: Path) -> None:
    write(tmp_path / "1.csv", ROWS)
    dataset = of_files(tmp_path, all="*.csv")
    forget(dataset, [REMOVED], [])
    ingest(dataset)
    write(tmp_path / "2.csv", [(REMOVED.upper(), "neg"), *texts(5, start=90)])
    assert plain(REMOVED) not in {plain(text) for text in all_texts(ingest(dataset))}
    assert last().removed == 2


def test_removal_of_a_pair_is_by_its_source_text(store: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.tsv").write_text("a\tb\n" + "".join(f"n{i} ta\tN{i} TA\n" for i in range(30)))
    dataset = entry(
        tmp_path,
        {"kind": "files", "paths": {"all": "rows.tsv"}},
        problem="translation",
        format={"kind": "tsv"},
        columns={"source": "a", "target": "b"},
    )
    forget(dataset, ["N3  ta"], [])
    snapshot, _ = make_snapshot(dataset)
    kept = {
        text
        for split in snapshot.splits
        if snapshot.rows.get(split)
        for text in snapshot.table(split)["source"].to_pylist()
    }
    assert kept == {f"n{i} ta" for i in range(30)} - {"n3 ta"}


def test_row_is_removed_by_its_key(store: Path, tmp_path: Path) -> None:
    table = Table(tmp_path)
    table.insert(texts(30))
    dataset = of_table(tmp_path)
    ingest(dataset)
    assert forget(dataset, [], ["11", " 12 ", "11"]) == ["key:11", "key:12"]
    after = ingest(dataset)
    assert all_texts(after) == {text for key, text in table.rows() if key not in (11, 12)}
    assert last().removed == 2
    table.update(11, "nuri vek of another day")
    assert "nuri vek of another day" not in all_texts(ingest(dataset))


def test_removal_by_key_raises_when_rows_have_no_key(store: Path, tmp_path: Path) -> None:
    dataset = of_rows(tmp_path)
    with pytest.raises(
        RowError,
        match="made: its rows have no key: give a text instead, or name the key's column",
    ):
        forget(dataset, [REMOVED], ["11"])
    assert not own_list("made").exists()


@pytest.mark.parametrize(
    ("requested", "keys"),
    [
        ([""], []),
        ([" \t\u3000"], []),
        ([], [" "]),
        ([], ["1\n2"]),
        ([], ["1\u20282"]),
        ([], ["1\r2"]),
    ],
)
def test_removal_that_matches_nothing_raises_and_keeps_the_list(
    requested: list[str], keys: list[str], store: Path, tmp_path: Path
) -> None:
    Table(tmp_path)
    with pytest.raises(RowError, match=r"expected a (text|key) to be forgotten, got '"):
        forget(of_table(tmp_path), [*requested], ["7", *keys])
    assert not own_list("made").exists()


def test_snapshots_with_a_text_are_listed_oldest_first(store: Path, tmp_path: Path) -> None:
    made = []
    for rows in (texts(30), ROWS, [*ROWS, ("ta mi ro", "neg")], texts(40)):
        write(tmp_path / "rows.csv", rows)
        made.append(ingest(of_files(tmp_path, all="rows.csv")).digest)
    dataset = of_files(tmp_path, all="rows.csv")
    assert holders(dataset, [REMOVED.upper()]) == made[1:3]
    assert holders(dataset, ["Ta  mi ro", "nobody said this"]) == made[2:3]
    assert holders(dataset, ["nobody said this"]) == holders(dataset, []) == []


def test_text_among_rejected_rows_is_found(store: Path, tmp_path: Path) -> None:
    dataset = of_rows(tmp_path, [*texts(30), (REMOVED, "maybe")], labels={"pos": "pos"})  # type: ignore[arg-type]
    snapshot = ingest(dataset)
    assert snapshot.reasons == {"unknown_label": 1}
    assert holders(dataset, [REMOVED.lower()]) == [snapshot.digest]
    forget(dataset, [REMOVED.lower()], [])
    assert holders(dataset, [REMOVED]) == [snapshot.digest]
    assert ingest(dataset).rows.get(REFUSED, 0) == 0


def test_pruned_snapshot_contains_no_text(store: Path, tmp_path: Path) -> None:
    dataset = of_rows(tmp_path)
    snapshot = ingest(dataset)
    (snapshot.folder / "manifest.json").unlink()
    assert Snapshot.find("made", snapshot.digest) is None
    assert holders(dataset, [REMOVED]) == []


def test_removal_list_of_the_entry_is_used_beside_the_own_list(store: Path, tmp_path: Path) -> None:
    hashed = forget(of_rows(tmp_path), [REMOVED], [])
    (tmp_path / "removals.txt").write_text("# requested in spring\n\n" + hashed[0] + "\n")
    remove_own_list()
    dataset = of_rows(tmp_path, removals="removals.txt")
    first, _ = texts(1)[0]
    forget(dataset, [first], [])
    assert all_texts(ingest(dataset)) == {text for text, _ in ROWS} - {REMOVED, first}


def test_changed_removal_list_makes_a_new_snapshot(store: Path, tmp_path: Path) -> None:
    (tmp_path / "removals.txt").write_text("")
    dataset = of_rows(tmp_path, removals="removals.txt")
    assert REMOVED in all_texts(ingest(dataset))
    (tmp_path / "removals.txt").write_text(forget(dataset, [REMOVED], [])[0])
    remove_own_list()
    assert REMOVED not in all_texts(ingest(dataset))


@pytest.mark.parametrize(
    ("given", "content", "expected"),
    [
        ("nowhere.txt", None, "entry made, removals: there is no file .*nowhere.txt"),
        (
            "removals.txt",
            b"text:0123456789abcdef\nKalo Bren\n",
            "removals.txt, line 2: expected text:HASH .* got 'Kalo Bren'",
        ),
        ("removals.txt", b"caf\xe9\n", "entry made, removals: cannot read .*removals.txt: .*utf-8"),
        ("s4://bucket/list.txt", None, "entry made, removals: .*there are no s4 addresses: "),
    ],
)
def test_unreadable_removal_list_raises_and_nothing_is_ingested(
    given: str, content: bytes | None, expected: str, store: Path, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / given).write_bytes(content)
    with pytest.raises(RowError, match=expected):
        make_snapshot(of_rows(tmp_path, removals=given))
    assert list(store.glob("snapshots/*")) == []


def test_fault_in_the_own_list_raises_with_its_path(store: Path, tmp_path: Path) -> None:
    own_list("made").parent.mkdir(parents=True)
    own_list("made").write_text("text:short\n")
    with pytest.raises(RowError, match=r"removals/made.txt, line 1: expected text:HASH"):
        removal_lines(of_rows(tmp_path), Access(store))


def test_no_stored_file_contains_a_removed_text_after_the_next_ingestion(
    store: Path, tmp_path: Path
) -> None:
    for number in range(2):
        write(tmp_path / f"rows-{number}.csv", texts(30, start=30 * number))
    dataset = entry(tmp_path, {"kind": "files", "paths": {"all": "rows-*.csv"}})
    before, _ = make_snapshot(dataset)
    requested = texts(60)[40][0]
    forget(dataset, [requested], [])
    make_snapshot(dataset)
    first = SnapshotLog.of("made").ingestions[0]
    pieces = [
        PartitionRows.folder_of("made", piece_key(piece, first.rows_key))
        for piece in first.known_pieces()
    ]
    holding = {
        path.parent
        for path in store.rglob("*.parquet")
        if requested in str(pq.read_table(path).to_pylist())
    }
    assert holding == {before.folder, pieces[1]}


@pytest.mark.case("05")
def test_duplicates_with_invisible_characters_are_removed_too(store: Path, tmp_path: Path) -> None:
    dataset = of_rows(tmp_path, [*texts(30), ("\ufeffKalo B\u200bren wants 3 lum\u00ado", "pos")])
    holding = ingest(dataset)
    assert holders(dataset, [REMOVED]) == [holding.digest]
    forget(dataset, [REMOVED], [])
    assert all_texts(ingest(dataset)) == {text for text, _ in texts(30)}
    assert last().removed == 1


@pytest.mark.case("05")
def test_removal_of_a_text_of_only_invisible_characters_raises(store: Path, tmp_path: Path) -> None:
    with pytest.raises(RowError, match="expected a text to be forgotten"):
        forget(of_rows(tmp_path), ["\u200b \ufeff"], [])
