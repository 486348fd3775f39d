"""Whether a row of a test split was ever one of train, while a dataset grows ten times.

Two datasets grow, of the same rows. In ``ours`` the split is made here: each
growth is a new file, with new rows and copies of earlier ones in capitals. In
``theirs`` the publisher gives the test split, and it grows too: a third of
what comes is copies of rows that were trained on, and training files go and
come back, so that the memory of one snapshot alone would not do. The rows are
real ones of ``../shared/data`` or, without them, made up.
``python -m benchmarks.data.growth`` prints the table.
"""

import csv
import gzip
import random
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import yaml

from benchmarks.data.encoding import made_texts
from benchmarks.data.real_sets import IN_TABLE, SETS, own_store
from benchmarks.lib.figures import Figure, figure
from data.catalog.catalog import find_dataset
from tasks.ingestion.snapshot import make_snapshot
from tasks.store.artifacts import Snapshot

COMMAND = "python -m benchmarks.data.growth"
GROWTHS = 10
NEW_ROWS = 1_000  # of each growth
COPIES = 300  # of earlier rows, in each growth
PATHS = {"ours": {"all": "ours-*.csv"}, "theirs": {"train": "train-*.csv", "test": "test-*.csv"}}
Rows = Sequence[tuple[str, str]]


def all_rows(num: int) -> Rows:
    """Texts with labels: those of SST-2, or made-up ones."""
    if SETS.is_dir():
        with gzip.open(SETS / IN_TABLE, "rt", encoding="utf-8") as file:
            rows = [line.rstrip("\n").split("\t") for line in file][1:]
        return [(text, label) for text, label in random.Random(0).sample(rows, num)]
    import numpy as np

    return [
        (text, "01"[index % 2])
        for index, text in enumerate(made_texts(np.random.default_rng(0), num, mean=12))
    ]


def plain(text: str) -> str:
    """What makes two texts one, said without the code that is measured."""
    return " ".join(unicodedata.normalize("NFKC", text).lower().split())


def write_catalog(folder: Path) -> Path:
    """Write the entries of both datasets."""
    entry = {
        "problem": "sentiment",
        "language": "en",
        "licence": "-",
        "origin": "-",
        "format": {"kind": "csv"},
        "tokenizer": "words",
        "columns": {"text": "text", "label": "label"},
    }
    shares = {"ours": {"validation": 0.1, "test": 0.2}, "theirs": {"validation": 0.1}}
    entries = {
        name: {**entry, "source": {"kind": "files", "paths": paths}, "splits": shares[name]}
        for name, paths in PATHS.items()
    }
    path = folder / "catalog.yaml"
    path.write_text(yaml.safe_dump(entries))
    return path


def write_rows(path: Path, rows: Rows) -> None:
    """Write a file of rows."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("text", "label"), *rows])


def copied(rows: Rows, chance: random.Random) -> Rows:
    """Copies of some rows, in capitals."""
    return [(text.upper(), label) for text, label in chance.sample(rows, min(COPIES, len(rows)))]


def grow(folder: Path, number: int, rows: Rows, early: Rows) -> None:
    """Bring what is new to both datasets; take a training file away, or bring it back."""
    chance = random.Random(number)
    half = len(rows) // 2
    write_rows(folder / f"ours-{number:02}.csv", [*rows, *copied(early, chance)])
    write_rows(folder / f"train-{number:02}.csv", rows[:half])
    write_rows(folder / f"test-{number:02}.csv", [*rows[half:], *copied(early, chance)])
    if number >= 2:
        file = folder / f"train-{number - 2:02}.csv"
        file.rename(file.with_suffix(".away"))
    for away in folder.glob("*.away"):
        if number % 4 == 3:
            away.rename(away.with_suffix(".csv"))


def measure() -> dict[str, list[tuple[Snapshot, int]]]:
    """Grow each dataset, and count the rows of each snapshot's test split that were trained on."""
    rows = all_rows((GROWTHS + 1) * NEW_ROWS)
    found: dict[str, list[tuple[Snapshot, int]]] = {name: [] for name in PATHS}
    trained: dict[str, set[str]] = {name: set() for name in PATHS}
    with own_store() as folder:
        catalog = write_catalog(folder)
        for number in range(GROWTHS + 1):
            early = rows[: number * NEW_ROWS]
            grow(folder, number, rows[len(early) : len(early) + NEW_ROWS], early)
            for name in PATHS:
                snapshot, _ = make_snapshot(find_dataset(name, catalog))
                trained[name] |= {
                    plain(text) for text in snapshot.table("train")["text"].to_pylist()
                }
                tested = [plain(text) for text in snapshot.table("test")["text"].to_pylist()]
                found[name].append((snapshot, sum(text in trained[name] for text in tested)))
    return found


def leaked_figure(
    command: str = COMMAND, found: dict[str, list[tuple[Snapshot, int]]] | None = None
) -> Figure:
    """Rows of a test split that were ever trained on, over all growths."""
    found = found or measure()
    leaked = sum(num for snapshots in found.values() for _, num in snapshots)
    tested = sum(snapshots[-1][0].rows["test"] for snapshots in found.values())
    refused = sum(snapshots[-1][0].reasons.get("leak", 0) for snapshots in found.values())
    note = (
        f"test rows ever trained on, in {GROWTHS} growths of 2 datasets; at last "
        f"{tested:,} test rows, {refused:,} leaks refused"
    )
    return figure(
        "leaked_rows", leaked, unit="rows", goal=0, better="lower", command=command, note=note
    )


def figures() -> list[Figure]:
    """What is measured as figures with their goals."""
    return [leaked_figure()]


def main() -> None:
    """Print the table."""
    found = measure()
    for name, snapshots in found.items():
        print(f"\n{name:<10}{'train':>8}{'valid':>8}{'test':>8}{'refused':>9}{'leaked':>8}")
        for number, (snapshot, leaked) in enumerate(snapshots):
            counts = [
                snapshot.rows.get(split, 0) for split in ("train", "validation", "test", "refused")
            ]
            print(
                "growth "
                f"{number:<3}{counts[0]:>8,}{counts[1]:>8,}{counts[2]:>8,}{counts[3]:>9,}{leaked:>8,}"
            )
    item = leaked_figure(found=found)
    print(f"\n{item.figure}: {item.value:g} {item.unit} (goal {item.goal:g}); {item.note}")


if __name__ == "__main__":
    main()
