"""Ingestion of real sets: rows read, kept and rejected, beside the numbers in their READMEs.

Every dataset of ``benchmarks/data/datasets.yaml`` is made into a snapshot, in a
store of the benchmark's own. The sets lie in ``../shared/data``; the rows of
each file are taken from the table in the README there.
``python -m benchmarks.data.real_sets`` prints them, or those that are named.
"""

import gzip
import os
import posixpath
import re
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lib.figures import ROOT, Figure, figure
from data.catalog.catalog import Dataset, find_dataset, read_catalog
from data.ingestion.splitting import REFUSED
from data.rows.splits import SPLITS
from data.sources.base import Access
from tasks.ingestion.partitions import kept_rows
from tasks.ingestion.snapshot import make_snapshot
from tasks.ingestion.snapshot_log import SnapshotLog
from tasks.store.artifacts import Snapshot

SETS = ROOT.parent / "shared" / "data"
CATALOG = Path(__file__).with_name("datasets.yaml")
STATED = re.compile(r"^\| ([\w./-]+) \|[^|]*\|[^|]*\| (\d+)\b", flags=re.MULTILINE)
IN_TABLE = "sentiment/sst2_glue/train.tsv.gz"  # what the table of sst2_table is made of
COMMAND = "python -m benchmarks.data.real_sets"


@dataclass(frozen=True)
class Ingested:
    """A snapshot of a real set, and its rows by file: as its README states and as read."""

    snapshot: Snapshot
    stated: dict[str, int]
    read: dict[str, int]
    seconds: float

    @property
    def num_off(self) -> int:
        """Rows that differ from the README, over all files."""
        by_file = sum(abs(num - self.stated[file]) for file, num in self.read.items())
        return by_file or abs(sum(self.snapshot.rows.values()) - sum(self.stated.values()))


def stated_rows() -> dict[str, int]:
    """The rows of each file as the README of the sets states them."""
    return {
        file: int(rows)
        for file, rows in STATED.findall((SETS / "README.md").read_text(encoding="utf-8"))
    }


@contextmanager
def own_store() -> Iterator[Path]:
    """A store that is gone afterwards."""
    before = os.environ.get("REFRAIN_HOME")
    with tempfile.TemporaryDirectory(prefix="refrain-bench-") as folder:
        os.environ["REFRAIN_HOME"] = folder
        try:
            yield Path(folder)
        finally:
            del os.environ["REFRAIN_HOME"]
            if before is not None:
                os.environ["REFRAIN_HOME"] = before


def make_table(path: Path) -> None:
    """Write the training rows of SST-2 into a table of SQLite."""
    with gzip.open(SETS / IN_TABLE, "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file][1:]
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE reviews (id INTEGER PRIMARY KEY, sentence TEXT, label TEXT)")
        database.executemany("INSERT INTO reviews (sentence, label) VALUES (?, ?)", rows)
    database.close()


def ingested(name: str, home: Path) -> Ingested:
    """Make a snapshot of a set."""
    entry = find_dataset(name, CATALOG)
    started = time.monotonic()
    if not entry.source.has_format and not (home / "sst2.db").exists():
        make_table(home / "sst2.db")
    snapshot, _ = make_snapshot(entry)
    seconds = time.monotonic() - started
    read = read_by_file(entry, snapshot)
    stated = stated_rows()
    return Ingested(snapshot, {file: stated[file] for file in read}, read, seconds)


def read_by_file(entry: Dataset, snapshot: Snapshot) -> dict[str, int]:
    """How many rows each file gave, kept or refused; one of two parallel files stands for both."""
    last = SnapshotLog.of(entry.name).last
    assert last
    if not entry.source.has_format:
        return {IN_TABLE: sum(snapshot.rows.values())}
    access = Access(Path("unused"))
    pieces = entry.source.pieces(access, [])
    names = {
        piece.name: posixpath.relpath(piece.name.split(" + ")[0], SETS.as_posix())
        for piece in pieces
    }
    if len(pieces) == 1:
        return {names[pieces[0].name]: sum(snapshot.rows.values())}
    return {
        names[piece.name]: kept_rows(entry, piece, access, last.rows_key).rows
        for piece in last.known_pieces()
    }


def figures(found: dict[str, Ingested] | None = None) -> list[Figure]:
    """How far the rows that were read are from those that are stated."""
    if found is None:
        with own_store() as home:
            found = {name: ingested(name, home) for name in read_catalog(CATALOG)}
    off = sum(ingested_set.num_off for ingested_set in found.values())
    rows = sum(sum(ingested_set.snapshot.rows.values()) for ingested_set in found.values())
    files = sum(len(ingested_set.read) for ingested_set in found.values())
    note = (
        f"{len(found)} real sets, {files} files, {rows:,} rows: kept and refused against "
        "the README's counts"
    )
    return [
        figure(
            "real_rows_off", off, unit="rows", goal=0, better="lower", command=COMMAND, note=note
        )
    ]


def table_line(name: str, result: Ingested) -> str:
    """A set in a line, and its refused rows by reason in another."""
    rows = result.snapshot.rows
    stated = sum(result.stated.values())
    splits = "".join(f"{rows.get(split, 0):>9,}" for split in (*SPLITS, REFUSED))
    counts = f"{len(result.stated):>5}{stated:>10,}{sum(rows.values()):>10,}{splits}"
    line = f"{name:<13}{counts}{result.num_off:>6,}{result.seconds:>8.1f}"
    reasons = ", ".join(f"{num:,} {kind}" for kind, num in result.snapshot.reasons.items())
    return line + (f"\n{'':<13}refused: {reasons}" if reasons else "")


def main(names: list[str]) -> None:
    """Print the table."""
    heads = "".join(f"{head:>9}" for head in ("train", "valid", "test", "refused"))
    print(f"{'':<13}{'files':>5}{'README':>10}{'read':>10}{heads}{'off':>6}{'seconds':>8}")
    found = {}
    with own_store() as home:
        for name in names or read_catalog(CATALOG):
            found[name] = ingested(name, home)
            print(table_line(name, found[name]), flush=True)
    for item in figures(found):
        print(f"\n{item.figure}: {item.value:g} {item.unit}, {item.note}")


if __name__ == "__main__":
    main(sys.argv[1:])
