"""Growing datasets (a folder of files, one file, a table), and the content of their snapshots."""

import csv
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import yaml

from data.catalog.catalog import Dataset, find_dataset
from data.rows.splits import SPLITS
from data.sources.base import Access, Partition
from data.sources.files import Files
from data.sources.sql import Sql
from tasks.ingestion.snapshot import make_snapshot
from tasks.ingestion.snapshot_log import Ingestion, SnapshotLog
from tasks.store.artifacts import Snapshot

Rows = Iterable[tuple[str, str]]
WORDS = ("lumo", "sela", "nuri", "grak", "dosh", "vek", "ta", "mi", "ëro", "жук")
SHARES = {"validation": 0.2, "test": 0.3}


def entry(folder: Path, source: dict[str, Any], **changes: Any) -> Dataset:
    """The entry ``made`` of a catalog in a folder, for rows of text and label."""
    content = {
        "problem": "sentiment",
        "language": "xx",
        "licence": "ours",
        "origin": "made for the tests",
        "source": source,
        "format": {"kind": "csv"},
        "columns": {"text": "text", "label": "label"},
        "splits": SHARES,
        "tokenizer": "words",
    }
    if source["kind"] == "sql":
        content.pop("format")
    path = folder / "catalog.yaml"
    path.write_text(yaml.safe_dump({"made": content | changes}))
    return find_dataset("made", path)


def of_files(folder: Path, **paths: Any) -> Dataset:
    """A dataset of CSV files; the splits of a publisher leave a share for validation at most."""
    given = (
        {}
        if set(paths) == {"all"}
        else {"splits": {}}
        if "validation" in paths
        else {"splits": {"validation": 0.2}}
    )
    return entry(folder, {"kind": "files", "paths": paths}, **given)


def of_table(folder: Path, **changes: Any) -> Dataset:
    """A dataset of the table of ``Table``."""
    source = {
        "kind": "sql",
        "url": f"sqlite:///{folder}/shop.db",
        "table": "reviews",
        "key": "id",
        "watermark": "stamp",
    }
    return entry(folder, source | changes.pop("source", {}), **changes)


def write(path: Path, rows: Rows) -> None:
    """Write a CSV file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("text", "label"), *rows])


def texts(num: int, start: int = 0) -> list[tuple[str, str]]:
    """Rows of texts that differ."""
    return [
        (f"{WORDS[i % 10]} {WORDS[i // 10 % 10]} {i}", "pos") for i in range(start, start + num)
    ]


class Table:
    """A table of reviews whose rows have a stamp that grows."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "shop.db"
        self.stamp = 0
        self.execute(
            "CREATE TABLE reviews "
            "(id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT, label TEXT, stamp INTEGER)"
        )

    def execute(self, statement: str, *rows: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Execute a statement, for each of some rows."""
        with sqlite3.connect(self.path) as connection:
            done = (
                connection.executemany(statement, rows).fetchall()
                if rows
                else connection.execute(statement).fetchall()
            )
        connection.close()
        return done

    def insert(self, rows: Rows, stamp: int | None = None) -> None:
        """Add rows with the next stamp, or with a given one."""
        self.stamp += stamp is None
        at = self.stamp if stamp is None else stamp
        self.execute(
            "INSERT INTO reviews (text, label, stamp) VALUES (?, ?, ?)",
            *((*row, at) for row in rows),
        )

    def update(self, key: int, text: str, stamp: int | None = None) -> None:
        """Change a row, which gets the next stamp or a given one."""
        self.stamp += stamp is None
        self.execute(
            "UPDATE reviews SET text = ?, stamp = ? WHERE id = ?",
            (text, self.stamp if stamp is None else stamp, key),
        )

    def delete(self, *keys: int) -> None:
        """Delete rows."""
        self.execute("DELETE FROM reviews WHERE id = ?", *((key,) for key in keys))

    def rows(self) -> list[tuple[Any, ...]]:
        """Key and text of all rows."""
        return self.execute("SELECT id, text FROM reviews ORDER BY id")


def plain(text: str) -> str:
    """The normal form of a text, computed without the code under test."""
    return " ".join(unicodedata.normalize("NFKC", text).lower().split())


def copy_of(text: str, chance: Random) -> str:
    """A copy that differs in case, spacing or width at most."""
    wide = "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in text)
    return chance.choice(
        [text, text.upper(), f"  {text.title()} ", text.replace(" ", "\t\u3000"), wide]
    )


def texts_of(snapshot: Snapshot, split: str) -> list[str]:
    """The texts of a split."""
    found: list[str] = snapshot.table(split)["text"].to_pylist() if snapshot.rows.get(split) else []
    return found


def all_texts(snapshot: Snapshot) -> set[str]:
    """The texts that were kept."""
    return {text for split in SPLITS for text in texts_of(snapshot, split)}


def last(dataset: str = "made") -> Ingestion:
    """The newest ingestion."""
    found = SnapshotLog.of(dataset).last
    assert found
    return found


def ingest(dataset: Dataset) -> Snapshot:
    """Make a snapshot, and check that no text is in two of its splits."""
    snapshot, _ = make_snapshot(dataset)
    found = [{plain(text) for text in texts_of(snapshot, split)} for split in SPLITS]
    assert sum(map(len, found)) == len(set().union(*found))
    return snapshot


@contextmanager
def partitions_read() -> Iterator[list[str]]:
    """Record the names of the partitions that a source reads."""
    opened: list[str] = []
    open_file = Files.open
    tables = Sql.tables

    def noted(self: Files, piece: Partition, access: Access) -> Any:
        opened.append(piece.name.rpartition("/")[2])
        return open_file(self, piece, access)

    def noted_tables(self: Sql, piece: Partition, *rest: Any) -> Any:
        opened.append(piece.name)
        return tables(self, piece, *rest)

    with patch.object(Files, "open", noted), patch.object(Sql, "tables", noted_tables):
        yield opened
