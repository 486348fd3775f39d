"""Rows to a snapshot's files: one Parquet file per split, the refused, a report, and digests of it all."""

import hashlib
import json
import logging
import shutil
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.arrays import GrowingArray
from data.catalog.catalog import Dataset
from data.ingestion.report import Tally
from data.ingestion.splitting import REFUSED, Note, Part
from data.parallel import ahead, spare_memory
from data.rows.arrow_text import flat_bytes
from data.rows.hash_files import num_missing, num_repeated, write_distinct
from data.rows.hash_set import Hashes
from data.rows.splits import SPLITS
from tasks.store import durable
from tasks.store.artifacts import Snapshot
from tasks.store.code import digest
from tasks.store.lookup import begin_work

log = logging.getLogger(__name__)
HASHES, SIDES, TRAINED, REPORT = "rows.npy", "sides.npy", "trained.npy", "report.json"
IN_TRAIN, HANDED_ON = "in_train.npy", "handed_on.npy"  # while the snapshot is being made
WHOLE_TEXTS = ("text", "source", "target", "raw", "row", "key")
Content = defaultdict[
    tuple[str, str], "hashlib._Hash"
]  # what a digest is of: column, and what of it


class SnapshotWriter:
    """Writes rows into a folder of its own, which becomes a snapshot when all are there."""

    def __init__(self, entry: Dataset, parent: Snapshot | None) -> None:
        """Begin a snapshot that follows ``parent``."""
        self.entry, self.parent = entry, parent
        self.folder = Snapshot.folder_of(entry.name, f"partial-{uuid.uuid4().hex[:8]}")
        self.writers: dict[str, pq.ParquetWriter] = {}
        self.content: dict[str, Content] = {
            split: defaultdict(hashlib.sha256) for split in (*SPLITS, REFUSED)
        }
        self.rows, self.tally = Counter[str](), Tally()
        self.arrays: dict[str, GrowingArray] = {}
        self.num_new = self.num_gone = 0

    @property
    def trained(self) -> Hashes | None:
        """Texts that were ever trained on, where a publisher gives a test split that could take one of them."""
        path = self._earlier(TRAINED)
        return np.load(path) if path else None

    def _earlier(self, name: str) -> Path | None:
        """A file of the parent, if there is one."""
        path = self.parent.folder / name if self.parent else None
        return path if path and path.exists() else None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Remove what a failure leaves behind."""
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
        self.writers, self.arrays = {}, {}

    def add_all(self, parts: Iterator[Part]) -> None:
        """Write parts while a thread makes the next ones."""
        spare_memory()
        with closing(ahead(parts)) as made:
            for part in made:
                self.add(part)

    def add(self, part: Part) -> None:
        """Write some rows of a split, or some that were refused."""
        if part.split not in self.writers:
            self.writers[part.split] = parquet_writer(
                self.folder / f"{part.split}.parquet", part.table.schema
            )
        self.writers[part.split].write_table(part.table)
        self.rows[part.split] += part.table.num_rows
        self.tally.add(part)
        _update(self.content[part.split], part.table)
        self.arrays[HASHES].append(part.hashes)
        self.arrays[SIDES].append(part.sides)
        if part.split == "train" and not self.entry.splits.get("test"):
            self.arrays[IN_TRAIN].append(part.sides)

    def commit(
        self, num_removed: int, notes: Mapping[str, Note], schemes: Mapping[str, int]
    ) -> tuple[Snapshot, bool]:
        """Finish the files and give the folder its name, unless a snapshot of the same rows is there."""
        self._close()
        splits = {
            split: digest([made.hexdigest() for made in self.content[split].values()])
            for split in (*SPLITS, REFUSED)
        }
        key = digest(self.entry.roles, splits)
        self._count_changes()
        found = Snapshot.find(self.entry.name, key)
        if found:
            self._hand_on(found)
            return found, False
        self._write_report(num_removed, notes, schemes)
        final = Snapshot.folder_of(self.entry.name, key)
        shutil.rmtree(final, ignore_errors=True)  # of a crash between the two lines below
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
        self._say()
        return made, True

    def _count_changes(self) -> None:
        ours, before, earlier = self.folder / HASHES, self._earlier(HASHES), self._earlier(TRAINED)
        in_train = self.folder / IN_TRAIN
        if not self.entry.splits.get("test"):
            write_distinct(self.folder / TRAINED, [in_train, *([earlier] if earlier else [])])
        in_train.unlink()
        self.num_new = num_missing(ours, before)
        self.num_gone = num_missing(before, ours) if before else 0

    def _hand_on(self, found: Snapshot) -> None:
        """Tell a snapshot that was made before, whose rows came again, what was trained on since."""
        known = [path for path in (self.folder / TRAINED, found.folder / TRAINED) if path.exists()]
        if known:
            write_distinct(self.folder / HANDED_ON, known)
            durable.rename(self.folder / HANDED_ON, found.folder / TRAINED)

    def _write_report(
        self, num_removed: int, notes: Mapping[str, Note], schemes: Mapping[str, int]
    ) -> None:
        told = self.tally.told(is_characters=self.entry.tokenizer == "characters")
        told |= {
            "dataset": self.entry.name,
            "new": self.num_new,
            "gone": self.num_gone,
            "removed": num_removed,
        }
        told |= {"notes": dict(notes), "schemes": dict(schemes)}
        keeps_copies = self.entry.rules.repeats == "own" and not self.entry.splits.get(
            "test"
        )  # those of a publisher
        told["repeated"] = num_repeated(self.folder / HASHES) if keeps_copies else 0
        durable.write_json(self.folder / REPORT, told)

    def _say(self) -> None:
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
            log.info("refused %s: %s", f"{num:,}", reason)


def parquet_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A Parquet file as a snapshot has them.

    Words and labels stand there again and again, and a dictionary pays; of
    whole texts it is given up after a megabyte, which is work for nothing.
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


def _update(content: Content, table: pa.Table) -> None:
    """Digest bytes and lengths of each column by themselves: the same however rows were cut into batches."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_list(column.type):
            content[name, "tokens"].update(_lengths(column).data)
            column = pa.chunked_array([column.combine_chunks().flatten()])
        if not pa.types.is_string(column.type):
            column = column.cast(pa.string())
        content[name, "bytes"].update(flat_bytes(column).data)
        content[name, "lengths"].update(_lengths(column).data)


def _lengths(column: pa.ChunkedArray) -> NDArray[np.int32]:
    array = column.combine_chunks()
    counted = (
        array.value_lengths() if pa.types.is_list(array.type) else pa.compute.binary_length(array)
    )
    return np.asarray(counted.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int32)


SHOWN = 5  # refused rows of each kind


def read_report(snapshot: Snapshot) -> dict[str, Any]:
    """What an ingestion counted; ``data/ingestion/report.py`` makes it."""
    found: dict[str, Any] = json.loads((snapshot.folder / REPORT).read_text(encoding="utf-8"))
    return found
