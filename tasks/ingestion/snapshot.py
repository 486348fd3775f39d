"""A snapshot of the current rows of a source: found, or made from its partitions."""

import logging
import math
import uuid
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

from data.catalog.catalog import Dataset
from data.errors import RowError
from data.formats.base import format_module
from data.ingestion.splitting import REFUSED, Splitter, partitions_of, rejected_by_scheme
from data.rows.check_settings import HARMLESS
from data.rows.removals import Removals
from data.rows.splits import SPLITS
from data.sources.base import Access, GrowingSource, Partition
from tasks.ingestion.partitions import LateRowsError, current_rows, piece_tables
from tasks.ingestion.reference_snapshot import entry_key, without_limits
from tasks.ingestion.refused_data import RefusedDataError
from tasks.ingestion.removals import removal_lines
from tasks.ingestion.snapshot_log import Ingestion, SnapshotLog, piece_record
from tasks.ingestion.snapshot_writer import SHOWN, SnapshotWriter, read_report
from tasks.ingestion.source_access import source_access
from tasks.ingestion.split_shares import check_frozen
from tasks.store.artifacts import Snapshot
from tasks.store.code import code_digest, digest, path_of
from tasks.store.locks import locked
from tasks.store.lookup import is_only_finding

log = logging.getLogger(__name__)
# The modules that check, split, count and write rows.
ROWS = (
    "data/ingestion/splitting.py",
    "data/ingestion/report.py",
    "tasks/ingestion/partitions.py",
    "tasks/ingestion/snapshot_writer.py",
)
# Keys of an entry that affect no row.
DESCRIPTIVE = ("about", "language", "licence", "origin", "settings")


def make_snapshot(entry: Dataset) -> tuple[Snapshot, bool]:
    """Make a snapshot of the current rows of a source, or find the existing one.

    Returns:
        The snapshot, and whether it is new.
    """
    # Two ingestions at once would each read the whole source. A list of what there is to do waits
    # for nobody.
    with (
        nullcontext()
        if is_only_finding()
        else locked(Snapshot.KIND, entry.name, patience_seconds=math.inf)
    ):
        return _make_snapshot(entry)


def _make_snapshot(entry: Dataset) -> tuple[Snapshot, bool]:
    history = SnapshotLog.of(entry.name)
    check_frozen(entry, history)
    access = source_access(entry)
    forgotten = removal_lines(entry, access)
    removals = Removals.of(forgotten)
    rows_key = rows_key_of(entry, forgotten)
    last = history.last
    known = last.known_pieces() if last and last.rows_key == rows_key else []
    pieces = listed(entry, access, known)
    inputs = inputs_of(entry, pieces, access, rows_key)
    if last and last.inputs == inputs and (snapshot := Snapshot.find(entry.name, last.snapshot)):
        return snapshot, False
    try:
        lives = current_rows(entry, pieces, access, rows_key, removals)
    except LateRowsError:
        log.info("some rows arrived below the last watermark: reading the whole source")
        pieces = listed(entry, access, [])
        inputs = inputs_of(entry, pieces, access, rows_key)
        lives = current_rows(entry, pieces, access, rows_key, removals, is_last=True)
    writer = SnapshotWriter(entry, newest(history))
    with writer.writing():
        splitter = Splitter(entry, writer.trained)
        tables = (
            (piece, table)
            for piece, living in zip(pieces, lives, strict=True)
            for table in piece_tables(entry, piece, access, rows_key, living, removals)
        )
        writer.add_all(part for piece, table in tables for part in splitter.parts(piece, table))
        schemes = rejected_schemes(entry, pieces, access, writer)
        snapshot, is_new = writer.commit(splitter.num_removed, splitter.notes, schemes)
    history.append(
        Ingestion(
            snapshot=snapshot.digest,
            parent=writer.parent.digest if writer.parent else "",
            inputs=inputs,
            rows_key=rows_key,
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            rows=snapshot.rows,
            new=writer.num_new,
            gone=writer.num_gone,
            removed=splitter.num_removed,
            pieces=[piece_record(piece) for piece in pieces],
            shares=dict(entry.splits),
            entry_key=entry_key(entry),
        )
    )
    return snapshot, is_new


def newest(history: SnapshotLog) -> Snapshot | None:
    """Find the newest snapshot of a dataset whose files are intact; the next one follows it."""
    dataset = history.path.stem
    for made in reversed(history.ingestions):
        found = Snapshot.find(dataset, made.snapshot)
        if found:
            return found
    return None


def rows_key_of(entry: Dataset, forgotten: list[str]) -> str:
    """Digest everything that affects the rows read from a source."""
    kept = {
        name: value for name, value in entry.entry.items() if name not in (*DESCRIPTIVE, "checks")
    }
    return digest(kept, without_limits(entry), forgotten, rows_code(entry))


def rejected_schemes(
    entry: Dataset, pieces: list[Partition], access: Access, writer: SnapshotWriter
) -> dict[str, int]:
    """Count the rows that each other tagging scheme would reject, if this one rejected some."""
    if "scheme" in (entry.format or {}) and writer.tally.reasons["tag_scheme"]:
        return rejected_by_scheme(entry, pieces, access)
    return {}


def listed(entry: Dataset, access: Access, known: list[Partition]) -> list[Partition]:
    """List the partitions of a dataset's source.

    Raises:
        RowError: If the source has none; with the entry.
    """
    try:
        return partitions_of(entry, access, known)
    except RowError as error:
        raise RowError(f"{entry.file}, entry {entry.name}, source: {error}") from None


def inputs_of(entry: Dataset, pieces: list[Partition], access: Access, rows_key: str) -> str:
    """Digest all inputs of a snapshot; always different for a source without versions."""
    versions = [(piece.split, piece.name, piece.version, piece.mark) for piece in pieces]
    source = entry.source
    state = source.state(access) if isinstance(source, GrowingSource) else ""
    is_unknown = any(not piece.version for piece in pieces)
    return digest(rows_key, versions, state, uuid.uuid4().hex if is_unknown else "")


def check_share(entry: Dataset, snapshot: Snapshot) -> None:
    """Check that few rows of a snapshot were rejected and that no split is empty.

    Raises:
        RefusedDataError: If not; with the reasons and some rejected rows of each.
    """
    total = sum(snapshot.rows.values())
    damaged = snapshot.rows.get(REFUSED, 0) - sum(
        snapshot.reasons.get(kind, 0) for kind in HARMLESS
    )
    reasons = "; ".join(f"{num:,} {kind}" for kind, num in snapshot.reasons.items())
    if damaged > entry.rules.max_refused_share * total:
        shown = {
            kind: rows
            for kind, rows in read_report(snapshot)["examples"].items()
            if kind not in HARMLESS
        }
        raise RefusedDataError(
            f"{entry.name}: {damaged:,} of {total:,} rows were rejected, more than "
            f"checks.max_refused_share {entry.rules.max_refused_share:.0%} allows "
            f"({', '.join(HARMLESS)} not counted), so nothing was trained. "
            f"All rejected rows: {snapshot.folder / 'refused.parquet'}. "
            f"Examples of each reason:\n{_shown(shown)}"
        )
    empty = [split for split in SPLITS if not snapshot.rows.get(split)]
    if empty:
        raise RefusedDataError(
            f"{entry.name}: split {empty[0]} has no rows "
            f"({total} read{'; rejected: ' + reasons if reasons else ''}). "
            "Expected at least one in each of train, validation and test: check columns, where, "
            "labels and splits of its catalog entry."
        )


def _shown(examples: dict[str, list[dict[str, Any]]]) -> str:
    lines = []
    for kind, rows in examples.items():
        lines.append(f"  {kind}")
        lines += [
            f"    {row['file']}, row {row['row']}: {row['reason']}: {row['raw']!r}"
            for row in rows[:SHOWN]
        ]
    return "\n".join(lines)


def rows_code(entry: Dataset) -> str:
    """Digest the code that makes and counts a dataset's rows, with its own source and format."""
    looked_up = [path_of(type(entry.source).__module__)]
    if entry.format:
        looked_up.append(path_of(format_module(entry.format["kind"])))
    return code_digest(*ROWS, *looked_up, libraries=("pyarrow", "pandas"))
