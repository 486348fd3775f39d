"""Datasets that grow tenfold: nothing leaks, nothing is lost, nothing is read twice."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from data.catalog.catalog import Dataset
from data.errors import RowError
from data.rows.removals import text_hash
from data.rows.splits import SPLITS
from tasks.ingestion.snapshot import make_snapshot
from tasks.store.artifacts import Snapshot
from tests.tasks.growing import (
    WORDS,
    Rows,
    Table,
    all_texts,
    copy_of,
    entry,
    ingest,
    last,
    of_files,
    of_table,
    partitions_read,
    plain,
    texts,
    texts_of,
    write,
)

GROWTHS = 10
Grow = Callable[[int, Random], None]


def drawn(chance: Random, num: int) -> Rows:
    """Rows of few words, so that texts repeat, unchanged or as duplicates."""
    rows = [" ".join(chance.choices(WORDS, k=chance.randint(1, 3))) for _ in range(num)]
    return [(copy_of(text, chance), chance.choice(["pos", "neg"])) for text in rows]


def folder(path: Path) -> tuple[Dataset, Grow]:
    def grow(number: int, chance: Random) -> None:
        write(path / f"{chance.randrange(10**6)}.csv", drawn(chance, 30))
        if number % 3 == 2:
            chance.choice(sorted(path.glob("*.csv"))).unlink()
        if number % 4 == 3:
            write(chance.choice(sorted(path.glob("*.csv"))), drawn(chance, 20))

    return of_files(path, all="*.csv"), grow


def one_file(path: Path) -> tuple[Dataset, Grow]:
    rows: list[tuple[str, str]] = []

    def grow(number: int, chance: Random) -> None:
        rows.extend(drawn(chance, 30))
        write(path / "rows.csv", rows)

    return of_files(path, all="rows.csv"), grow


def table(path: Path) -> tuple[Dataset, Grow]:
    source_table = Table(path)

    def grow(number: int, chance: Random) -> None:
        source_table.insert(drawn(chance, 25))
        keys = [key for key, _ in source_table.rows()]
        for (text, _), key in zip(drawn(chance, 4), chance.sample(keys, 4), strict=True):
            source_table.update(key, text)
        source_table.delete(*chance.sample(keys, 3))
        if number % 3 == 1:
            source_table.insert(drawn(chance, 3), stamp=chance.randint(0, source_table.stamp))
        if number % 4 == 2:
            source_table.update(
                chance.choice(keys[: len(keys) // 2]),
                "nuri",
                stamp=chance.randint(0, source_table.stamp),
            )

    return of_table(path), grow


def given(path: Path, *, has_validation: bool) -> tuple[Dataset, Grow]:
    """A published test split grows by training texts; training files disappear and return."""
    names = ("train", "test", *(("validation",) if has_validation else ()))

    def grow(number: int, chance: Random) -> None:
        for name in names:
            write(path / f"{name}-{number}.csv", drawn(chance, 12))
        for away in path.glob("*.away"):
            if chance.random() < 0.5:
                away.rename(away.with_suffix(".csv"))
        if number % 2:
            gone = path / f"train-{chance.randrange(number)}.csv"
            gone.exists() and gone.rename(gone.with_suffix(".away"))

    return of_files(path, **{name: f"{name}-*.csv" for name in names}), grow


def given_test(path: Path) -> tuple[Dataset, Grow]:
    return given(path, has_validation=False)


def given_all(path: Path) -> tuple[Dataset, Grow]:
    return given(path, has_validation=True)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("make", [folder, one_file, table, given_test, given_all])
def test_no_test_row_was_ever_a_training_row(
    make: Callable[[Path], tuple[Dataset, Grow]], seed: int, store: Path, tmp_path: Path
) -> None:
    dataset, grow = make(tmp_path)
    trained: set[str] = set()
    tested: set[str] = set()
    for number in range(GROWTHS + 1):
        grow(number, Random(100 * seed + number))
        snapshot = ingest(dataset)
        trained |= {plain(text) for text in texts_of(snapshot, "train")}
        tested |= {plain(text) for text in texts_of(snapshot, "test")}
        assert not trained & {plain(text) for text in texts_of(snapshot, "test")}
    assert len(trained) > 20
    assert len(tested) > 5


@pytest.mark.parametrize("make", [folder, one_file, table])
def test_grown_dataset_equals_the_same_rows_read_at_once(
    make: Callable[[Path], tuple[Dataset, Grow]],
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset, grow = make(tmp_path)
    for number in range(GROWTHS + 1):
        grow(number, Random(number))
        grown = make_snapshot(dataset)[0]
        with monkeypatch.context() as fresh:
            fresh.setenv("REFRAIN_HOME", str(tmp_path / f"fresh-{number}"))
            once = make_snapshot(dataset)[0]
        assert grown.splits == once.splits, f"growth {number}"


def test_test_row_that_was_once_trained_on_is_rejected_as_leak(store: Path, tmp_path: Path) -> None:
    dataset = of_files(tmp_path, train="train-*.csv", test="test-*.csv")
    write(tmp_path / "train-0.csv", texts(40))
    write(tmp_path / "test-0.csv", texts(10, start=100))
    trained = texts_of(ingest(dataset), "train")
    write(tmp_path / "test-1.csv", [(trained[0].upper(), "pos"), *texts(10, start=200)])
    snapshot = ingest(dataset)
    assert snapshot.rows["test"] == 20
    assert snapshot.reasons == {"leak": 1}


def test_trained_rows_are_remembered_after_snapshots_without_them(
    store: Path, tmp_path: Path
) -> None:
    dataset = of_files(tmp_path, train="train-*.csv", test="test-*.csv")
    write(tmp_path / "train-0.csv", texts(40))
    write(tmp_path / "test-0.csv", texts(10, start=100))
    first = ingest(dataset)
    write(tmp_path / "train-1.csv", texts(40, start=300))
    trained = set(texts_of(ingest(dataset), "train")) - set(texts_of(first, "train"))
    (tmp_path / "train-1.csv").unlink()
    assert ingest(dataset).digest == first.digest
    write(tmp_path / "test-1.csv", [(text, "pos") for text in trained])
    assert ingest(dataset).reasons == {"leak": len(trained)}


def test_share_for_a_published_split_raises(tmp_path: Path) -> None:
    source = {"kind": "files", "paths": {"train": "train.csv", "test": "test.csv"}}
    with pytest.raises(
        RowError, match="entry made, splits: the source gives test itself: leave its share out"
    ):
        entry(tmp_path, source, splits={"validation": 0.2, "test": 0.1})


def files_of_three(tmp_path: Path) -> Dataset:
    for number in range(3):
        write(tmp_path / f"rows-{number}.csv", texts(30, start=30 * number))
    return of_files(tmp_path, all="rows-*.csv")


def test_rows_of_a_deleted_file_are_gone(store: Path, tmp_path: Path) -> None:
    dataset = files_of_three(tmp_path)
    before = ingest(dataset)
    (tmp_path / "rows-1.csv").unlink()
    after = ingest(dataset)
    assert all_texts(before) - all_texts(after) == {text for text, _ in texts(30, start=30)}
    assert (last().new, last().gone) == (0, 30)
    assert last().parent == before.digest


def test_new_rows_are_counted(store: Path, tmp_path: Path) -> None:
    dataset = files_of_three(tmp_path)
    ingest(dataset)
    assert (last().new, last().gone, last().parent) == (90, 0, "")
    write(tmp_path / "rows-3.csv", [*texts(20, start=90), *texts(5)])
    ingest(dataset)
    assert (last().new, last().gone) == (20, 0)  # five are copies


@pytest.mark.parametrize("by", ["entry", "store"])
def test_text_on_a_removal_list_is_gone_and_counted(by: str, store: Path, tmp_path: Path) -> None:
    files_of_three(tmp_path)
    path = tmp_path / "gone.txt" if by == "entry" else store / "removals" / "made.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("# nobody yet\n")
    source = {"kind": "files", "paths": {"all": "rows-*.csv"}}
    dataset = entry(tmp_path, source, **({"removals": "gone.txt"} if by == "entry" else {}))
    before = ingest(dataset)
    gone = [texts(90)[place][0] for place in (3, 50)]
    path.write_text("".join(f"text:{text_hash(text.upper())}\n" for text in gone))
    after = ingest(dataset)
    assert all_texts(before) - all_texts(after) == set(gone)
    assert (last().gone, last().removed) == (2, 2)
    assert after.rows.get("refused", 0) == 0


def test_key_on_a_removal_list_is_gone_and_counted(store: Path, tmp_path: Path) -> None:
    source_table = Table(tmp_path)
    source_table.insert(texts(40))
    (tmp_path / "gone.txt").write_text("")
    dataset = of_table(tmp_path, removals="gone.txt")
    before = ingest(dataset)
    (tmp_path / "gone.txt").write_text("key:7\n")
    assert all_texts(before) - all_texts(ingest(dataset)) == {dict(source_table.rows())[7]}
    assert last().removed == 1


def test_row_taken_off_the_removal_list_returns(store: Path, tmp_path: Path) -> None:
    files_of_three(tmp_path)
    path = tmp_path / "gone.txt"
    path.write_text("")
    dataset = entry(
        tmp_path, {"kind": "files", "paths": {"all": "rows-*.csv"}}, removals="gone.txt"
    )
    before = ingest(dataset)
    path.write_text(f"text:{text_hash(texts(1)[0][0])}\n")
    ingest(dataset)
    path.write_text("")
    assert ingest(dataset).digest == before.digest


def test_rows_deleted_from_a_table_are_gone_though_nothing_is_new(
    store: Path, tmp_path: Path
) -> None:
    source_table = Table(tmp_path)
    dataset = of_table(tmp_path)
    source_table.insert(texts(40))
    source_table.insert(texts(1, start=40))
    ingest(dataset)
    source_table.delete(3, 9)
    with partitions_read() as opened:
        snapshot = ingest(dataset)
    assert all_texts(snapshot) == {text for _, text in source_table.rows()}
    assert (last().new, last().gone, opened) == (0, 2, [])


def test_changed_row_of_a_table_is_used_in_its_last_state(store: Path, tmp_path: Path) -> None:
    source_table = Table(tmp_path)
    dataset = of_table(tmp_path)
    source_table.insert(texts(40))
    ingest(dataset)
    source_table.update(5, "lumo changed")
    assert all_texts(ingest(dataset)) == {text for _, text in source_table.rows()}
    assert (last().new, last().gone) == (1, 1)


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("with_more", [True, False])
def test_rows_committed_below_the_watermark_are_found(
    is_new: bool, with_more: bool, store: Path, tmp_path: Path
) -> None:
    source_table = Table(tmp_path)
    dataset = of_table(tmp_path)
    for start in (0, 20, 40):
        source_table.insert(texts(20, start=start))
        ingest(dataset)
    if is_new:
        source_table.insert([("came late", "pos")], stamp=2)
    else:
        source_table.update(5, "came late", stamp=2)
    if with_more:
        source_table.insert(texts(5, start=60))
    assert all_texts(ingest(dataset)) == {text for _, text in source_table.rows()}


@pytest.mark.parametrize("make", [folder, one_file, table, given_test])
def test_unchanged_source_is_not_read(
    make: Callable[[Path], tuple[Dataset, Grow]], store: Path, tmp_path: Path
) -> None:
    dataset, grow = make(tmp_path)
    grow(0, Random(0))
    first, is_new = make_snapshot(dataset)
    line = last()
    with partitions_read() as opened:
        assert make_snapshot(dataset) == (first, False)
    assert (is_new, opened) == (True, [])
    assert last() == line


def test_only_new_and_changed_files_are_read(store: Path, tmp_path: Path) -> None:
    dataset = files_of_three(tmp_path)
    ingest(dataset)
    write(tmp_path / "rows-1.csv", texts(31, start=30))
    write(tmp_path / "rows-3.csv", texts(10, start=90))
    with partitions_read() as opened:
        ingest(dataset)
    assert sorted(opened) == ["rows-1.csv", "rows-3.csv"]


def test_the_first_file_of_a_folder_is_not_read_again_when_the_second_comes(
    store: Path, tmp_path: Path
) -> None:
    write(tmp_path / "rows-0.csv", texts(60))
    dataset = of_files(tmp_path, all="rows-*.csv")
    ingest(dataset)
    write(tmp_path / "rows-1.csv", texts(10, start=60))
    with partitions_read() as opened:
        ingest(dataset)
    assert opened == ["rows-1.csv"]


def test_only_the_rows_above_the_watermark_are_read(store: Path, tmp_path: Path) -> None:
    source_table = Table(tmp_path)
    dataset = of_table(tmp_path)
    names = []
    for start in (0, 20, 40):
        source_table.insert(texts(20, start=start))
        with partitions_read() as opened:
            ingest(dataset)
        names.append(opened)
    assert names == [
        [f"table reviews, stamp {reach}"] for reach in ("up to 1", "from 1 to 2", "from 2 to 3")
    ]


def test_excluded_rows_cause_no_second_reading_of_the_others(store: Path, tmp_path: Path) -> None:
    source_table = Table(tmp_path)
    dataset = of_table(tmp_path, where={"label": "pos"})
    for start in (0, 20):
        source_table.insert([*texts(20, start=start), (f"unwanted {start}", "neg")])
        with partitions_read() as opened:
            ingest(dataset)
    assert opened == ["table reviews, stamp from 1 to 2"]


def test_empty_table_gives_a_snapshot_without_rows(store: Path, tmp_path: Path) -> None:
    source_table = Table(tmp_path)
    dataset = of_table(tmp_path)
    assert ingest(dataset).rows == {}
    source_table.insert(texts(9))
    assert all_texts(ingest(dataset)) == {text for text, _ in texts(9)}


def test_equal_content_gives_the_same_snapshot(store: Path, tmp_path: Path) -> None:
    dataset = files_of_three(tmp_path)
    first = ingest(dataset)
    write(tmp_path / "rows-3.csv", texts(9, start=200))
    second = ingest(dataset)
    (tmp_path / "rows-3.csv").unlink()
    third, is_new = make_snapshot(dataset)
    assert (third, is_new) == (first, False)
    assert last().parent == second.digest


def test_key_order_within_a_row_does_not_change_the_snapshot(store: Path, tmp_path: Path) -> None:
    write(tmp_path / "rows.csv", texts(60))
    first = ingest(of_files(tmp_path, all="rows.csv"))
    swapped = of_files(tmp_path, all="rows.csv")
    (tmp_path / "rows.csv").write_text(
        "label,text\n" + "".join(f"{label},{text}\n" for text, label in texts(60))
    )
    assert ingest(swapped).splits == first.splits


def test_earlier_snapshot_is_not_changed_when_the_dataset_grows(
    store: Path, tmp_path: Path
) -> None:
    dataset = files_of_three(tmp_path)
    first = ingest(dataset)
    files = {path: path.read_bytes() for path in first.folder.iterdir()}
    for number in (3, 4):
        write(tmp_path / f"rows-{number}.csv", texts(30, start=30 * number))
        ingest(dataset)
    assert {path: path.read_bytes() for path in first.folder.iterdir()} == files
    assert Snapshot.find("made", first.digest) == first
    assert all(len(texts_of(first, split)) == first.rows.get(split, 0) for split in SPLITS)
