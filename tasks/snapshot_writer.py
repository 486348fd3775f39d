"""Rows to a snapshot's files: one Parquet file per split, the refused, a report, and digests of it all."""

import hashlib
import json
import logging
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.catalog import Dataset
from data.report import Tally
from data.rows import REFUSED, Part
from data.seen import Hashes, Seen
from data.splits import SPLITS, flat_bytes
from tasks.artifacts import Snapshot, digest

log = logging.getLogger(__name__)
HASHES, TRAINED, REPORT = "rows.npy", "trained.npy", "report.json"


class SnapshotWriter:
    """Writes rows into a folder of its own, which becomes a snapshot when all are there."""

    def __init__(self, entry: Dataset, parent: Snapshot | None) -> None:
        """Begin a snapshot that follows ``parent``."""
        self.entry, self.parent = entry, parent
        self.folder = Snapshot.folder_of(entry.name, f"partial-{uuid.uuid4().hex[:8]}")
        self.writers: dict[str, pq.ParquetWriter] = {}
        self.content = {split: (hashlib.sha256(), hashlib.sha256()) for split in (*SPLITS, REFUSED)}
        self.rows, self.tally = Counter[str](), Tally()
        self.hashes: list[Hashes] = []
        self.in_train: list[Hashes] = []
        self.num_new = self.num_gone = 0

    @property
    def trained(self) -> Hashes | None:
        """Texts that were ever trained on, where a publisher gives a test split that could take one of them."""
        path = self.parent.folder / TRAINED if self.parent else None
        return np.load(path) if path and path.exists() else None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Remove what a failure leaves behind."""
        self.folder.mkdir(parents=True)
        try:
            yield
        finally:
            for writer in self.writers.values():
                writer.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, part: Part) -> None:
        """Write some rows of a split, or some that were refused."""
        if part.split not in self.writers:
            path = self.folder / f"{part.split}.parquet"
            self.writers[part.split] = pq.ParquetWriter(path, part.table.schema, compression="zstd", compression_level=1)
        self.writers[part.split].write_table(part.table)
        self.rows[part.split] += part.table.num_rows
        self.tally.add(part)
        _update(self.content[part.split], part.table)
        self.hashes.append(part.hashes)
        if part.split == "train":
            self.in_train.append(part.sides)

    def commit(self, num_removed: int) -> tuple[Snapshot, bool]:
        """Finish the files and give the folder its name, unless a snapshot of the same rows is there."""
        for writer in self.writers.values():
            writer.close()
        splits = {split: digest([made.hexdigest() for made in self.content[split]]) for split in (*SPLITS, REFUSED)}
        key = digest(self.entry.roles, splits)
        self._count_changes()
        found = Snapshot.find(self.entry.name, key)
        if found:
            return found, False
        self._write_report(num_removed)
        final = Snapshot.folder_of(self.entry.name, key)
        shutil.rmtree(final, ignore_errors=True)  # of a crash between the two lines below
        self.folder.rename(final)
        splits.pop(REFUSED)
        reasons = dict(self.tally.reasons.most_common())
        made = Snapshot(dataset=self.entry.name, digest=key, rows=dict(self.rows), splits=splits, reasons=reasons).commit()
        self._say()
        return made, True

    def _count_changes(self) -> None:
        ours = np.concatenate([np.zeros(0, np.uint64), *self.hashes])
        np.save(self.folder / HASHES, ours)
        if not self.entry.splits.get("test"):
            earlier = self.trained if self.trained is not None else np.zeros(0, np.uint64)
            np.save(self.folder / TRAINED, np.unique(np.concatenate([earlier, *self.in_train])))
        path = self.parent.folder / HASHES if self.parent else None
        before = np.load(path) if path and path.exists() else np.zeros(0, np.uint64)
        self.num_new, self.num_gone = int((~Seen(before).has(ours)).sum()), int((~Seen(ours).has(before)).sum())

    def _write_report(self, num_removed: int) -> None:
        told = self.tally.told(is_characters=self.entry.tokenizer == "characters")
        told |= {"dataset": self.entry.name, "new": self.num_new, "gone": self.num_gone, "removed": num_removed}
        (self.folder / REPORT).write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    def _say(self) -> None:
        total = sum(self.rows.values())
        counts = ", ".join(f"{split} {self.rows[split]:,}" for split in SPLITS)
        log.info("kept %s of %s rows: %s", f"{total - self.rows[REFUSED]:,}", f"{total:,}", counts)
        if self.parent:
            log.info("%s rows are new and %s are gone since the last snapshot", f"{self.num_new:,}", f"{self.num_gone:,}")
        for reason, num in self.tally.reasons.most_common(5):
            log.info("refused %s: %s", f"{num:,}", reason)


def _update(content: tuple["hashlib._Hash", "hashlib._Hash"], table: pa.Table) -> None:
    """Digest the bytes and the lengths of rows: the same however they were cut into batches."""
    data, lengths = content
    for column in table.columns:
        if pa.types.is_list(column.type):
            lengths.update(_lengths(column).tobytes())
            column = pa.chunked_array([column.combine_chunks().flatten()])
        if not pa.types.is_string(column.type):
            column = column.cast(pa.string())
        data.update(flat_bytes(column).tobytes())
        lengths.update(_lengths(column).tobytes())


def _lengths(column: pa.ChunkedArray) -> NDArray[np.int32]:
    array = column.combine_chunks()
    counted = array.value_lengths() if pa.types.is_list(array.type) else pa.compute.binary_length(array)
    return np.asarray(counted.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int32)
