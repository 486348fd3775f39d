"""The files of a snapshot: a Parquet file per split, rejected rows, a report, and digests."""

import json
import logging
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.arrays import GrowingArray
from data.catalog.catalog import Dataset
from data.ingestion.report import Tally
from data.ingestion.splitting import REFUSED, Note, Part
from data.parallel import prefetch, use_jemalloc
from data.rows.hash_files import num_missing, num_repeated, write_distinct
from data.rows.hash_set import Hashes
from data.rows.splits import SPLITS
from tasks.ingestion.row_digest import RowDigest
from tasks.store import durable
from tasks.store.artifacts import Snapshot
from tasks.store.code import digest
from tasks.store.lookup import begin_work
from tasks.store.manifests import read_manifest
from tasks.store.temporary import private_folder

log = logging.getLogger(__name__)
HASHES = "rows.npy"
SIDES = "sides.npy"
TRAINED = "trained.npy"
REPORT = "report.json"
IN_TRAIN = "in_train.npy"  # only while the snapshot is written
HANDED_ON = "handed_on.npy"  # likewise
SHOWN = 5  # rejected rows of each kind in the report
WHOLE_TEXTS = ("text", "source", "target", "raw", "row", "key")


class SnapshotWriter:
    """Write rows into a temporary folder, which becomes a snapshot when it is complete."""

    def __init__(self, entry: Dataset, parent: Snapshot | None) -> None:
        """Begin a snapshot that follows ``parent``."""
        self.entry = entry
        self.parent = parent
        self.folder = private_folder() / f"{entry.name}-{uuid.uuid4().hex[:8]}"
        self.writers: dict[str, pq.ParquetWriter] = {}
        self.content = {split: RowDigest() for split in (*SPLITS, REFUSED)}
        self.rows = Counter[str]()
        self.tally = Tally()
        self.arrays: dict[str, GrowingArray] = {}
        self.num_new = 0
        self.num_gone = 0

    @property
    def trained(self) -> Hashes | None:
        """The texts of all earlier training splits, as a published test split may repeat one."""
        path = self._earlier(TRAINED)
        return np.load(path) if path else None

    def _earlier(self, name: str) -> Path | None:
        """Return a file of the parent snapshot, if it exists."""
        return file_of(self.parent, name) if self.parent else None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Open the files, and remove the folder after a failure."""
        begin_work()
        self.folder.mkdir(parents=True)
        self.arrays = {
            name: GrowingArray(self.folder / name, np.uint64) for name in (HASHES, SIDES, IN_TRAIN)
        }
        try:
            yield
        finally:
            self._close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _close(self) -> None:
        for file in (*self.writers.values(), *self.arrays.values()):
            file.close()
        self.writers = {}
        self.arrays = {}

    def add_all(self, parts: Iterator[Part]) -> None:
        """Write parts while a thread reads the next ones."""
        use_jemalloc()
        with closing(prefetch(parts)) as made:
            for part in made:
                self.add(part)

    def add(self, part: Part) -> None:
        """Write some rows of a split, or some rejected rows."""
        if part.split not in self.writers:
            self.writers[part.split] = parquet_writer(
                self.folder / f"{part.split}.parquet", part.table.schema
            )
        self.writers[part.split].write_table(part.table)
        self.rows[part.split] += part.table.num_rows
        self.tally.add(part)
        self.content[part.split].add(part.table)
        self.arrays[HASHES].append(part.hashes)
        self.arrays[SIDES].append(part.sides)
        if part.split == "train" and not self.entry.splits.get("test"):
            self.arrays[IN_TRAIN].append(part.sides)

    def commit(
        self, num_removed: int, notes: Mapping[str, Note], schemes: Mapping[str, int]
    ) -> tuple[Snapshot, bool]:
        """Finish the files and name the folder, unless a snapshot of the same rows exists."""
        self._close()
        splits = {split: made.value for split, made in self.content.items()}
        key = digest(self.entry.roles, splits)
        self._count_changes()
        found = Snapshot.find(self.entry.name, key)
        if found:
            self._hand_on(found)
            return found, False
        self._write_report(num_removed, notes, schemes)
        final = Snapshot.folder_of(self.entry.name, key)
        shutil.rmtree(final, ignore_errors=True)  # left by a crash between the two steps below
        final.parent.mkdir(parents=True, exist_ok=True)
        durable.rename(self.folder, final)
        splits.pop(REFUSED)
        reasons = dict(self.tally.reasons.most_common())
        made = Snapshot(
            dataset=self.entry.name,
            digest=key,
            rows=dict(self.rows),
            splits=splits,
            reasons=reasons,
        ).commit()
        self._log()
        return made, True

    def _count_changes(self) -> None:
        now = self.folder / HASHES
        before = self._earlier(HASHES)
        earlier = self._earlier(TRAINED)
        in_train = self.folder / IN_TRAIN
        if not self.entry.splits.get("test"):
            write_distinct(self.folder / TRAINED, [in_train, *([earlier] if earlier else [])])
        in_train.unlink()
        self.num_new = num_missing(now, before)
        self.num_gone = num_missing(before, now) if before else 0

    def _hand_on(self, found: Snapshot) -> None:
        """Add the texts trained on since to an earlier snapshot whose rows came again."""
        before = file_of(found, TRAINED)
        now = self.folder / TRAINED
        if not now.exists():
            return
        # Under a new name: after a power cut, the manifest names the old file or the new one.
        name = f"{uuid.uuid4().hex[:8]}-{TRAINED}"
        write_distinct(self.folder / HANDED_ON, [now, *([before] if before else [])])
        durable.rename(self.folder / HANDED_ON, found.folder / name)
        others = [path for path in found.folder.glob(f"*{TRAINED}") if path.name != name]
        found.commit(without={path.name for path in others})
        for path in others:
            path.unlink()

    def _write_report(
        self, num_removed: int, notes: Mapping[str, Note], schemes: Mapping[str, int]
    ) -> None:
        report = self.tally.as_json(is_characters=self.entry.tokenizer == "characters")
        report |= {
            "dataset": self.entry.name,
            "new": self.num_new,
            "gone": self.num_gone,
            "removed": num_removed,
        }
        report |= {"notes": dict(notes), "schemes": dict(schemes)}
        # A publisher's split keeps its duplicates.
        keeps_copies = self.entry.rules.repeats == "own" and not self.entry.splits.get("test")
        report["repeated"] = num_repeated(self.folder / HASHES) if keeps_copies else 0
        durable.write_json(self.folder / REPORT, report)

    def _log(self) -> None:
        total = sum(self.rows.values())
        counts = ", ".join(f"{split} {self.rows[split]:,}" for split in SPLITS)
        log.info("kept %s of %s rows: %s", f"{total - self.rows[REFUSED]:,}", f"{total:,}", counts)
        if self.parent:
            log.info(
                "%s rows are new and %s are gone since the last snapshot",
                f"{self.num_new:,}",
                f"{self.num_gone:,}",
            )
        for reason, num in self.tally.reasons.most_common(5):
            log.info("rejected %s: %s", f"{num:,}", reason)


def parquet_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Open a Parquet file of a snapshot.

    Words and labels repeat, so a dictionary pays off. For whole texts the
    writer would drop the dictionary after a megabyte, which is wasted work.
    """
    coded = [
        f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name
        for field in schema
    ]
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=[name for name in coded if name not in WHOLE_TEXTS],
    )


def file_of(snapshot: Snapshot, name: str) -> Path | None:
    """Find a file of a snapshot; that of the texts trained on may have been handed on."""
    manifest = read_manifest(snapshot.folder)
    names = [path for path in manifest.files if path.endswith(name)] if manifest else []
    path = snapshot.folder / (names[0] if names else name)
    return path if path.exists() else None


def read_report(snapshot: Snapshot) -> dict[str, Any]:
    """Read the counts of an ingestion, made by ``data/ingestion/report.py``."""
    found: dict[str, Any] = json.loads((snapshot.folder / REPORT).read_text(encoding="utf-8"))
    return found
