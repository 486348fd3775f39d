"""A snapshot of what a source holds now: found, or made from its partitions."""

import logging
import uuid
from datetime import UTC, datetime
from typing import Any

from data.catalog.catalog import Dataset
from data.errors import RowError
from data.formats.base import format_module
from data.ingestion.splitting import REFUSED, Splitter, pieces_of, rejected_by_scheme
from data.rows.check_settings import HARMLESS
from data.rows.removals import Removals
from data.rows.splits import SPLITS
from data.sources.base import Access, GrowingSource, Piece
from tasks.ingestion.partitions import LateRowsError, living_rows, piece_tables
from tasks.ingestion.reference_snapshot import entry_key, without_limits
from tasks.ingestion.removals import removal_lines
from tasks.ingestion.snapshot_log import History, Ingestion, piece_record
from tasks.ingestion.snapshot_writer import SHOWN, SnapshotWriter, read_report
from tasks.ingestion.split_shares import check_frozen
from tasks.store.artifacts import Snapshot
from tasks.store.code import code_digest, digest, path_of
from tasks.store.home import home
from tasks.store.secrets import Secrets

log = logging.getLogger(__name__)
# What checks, splits, counts and writes rows.
ROWS = (
    "data/ingestion/splitting.py",
    "data/ingestion/report.py",
    "tasks/ingestion/partitions.py",
    "tasks/ingestion/snapshot_writer.py",
)
SAID_ONLY = (
    "about",
    "language",
    "licence",
    "origin",
    "settings",
)  # keys of an entry that change no row


def make_snapshot(entry: Dataset) -> tuple[Snapshot, bool]:
    """Make a snapshot of what the source holds now, or find the one that was made of it.

    Returns:
        The snapshot, and whether it is new.
    """
    secrets, history = Secrets(), History.of(entry.name)
    check_frozen(entry, history)
    access = Access(home() / "downloads", secrets.reveal, secrets.hide)
    forgotten = removal_lines(entry, access)
    told = {
        name: value for name, value in entry.entry.items() if name not in (*SAID_ONLY, "checks")
    }
    rows_key = digest(told, without_limits(entry), forgotten, rows_code(entry))
    last, removals = history.last, Removals.of(forgotten)
    pieces = listed(
        entry, access, last.known_pieces() if last and last.rows_key == rows_key else []
    )
    inputs = inputs_of(entry, pieces, access, rows_key)
    found = next((i for i in reversed(history.ingestions) if i.inputs == inputs), None)
    if found and found is last and (snapshot := Snapshot.find(entry.name, found.snapshot)):
        return snapshot, False
    try:
        lives = living_rows(entry, pieces, access, rows_key, removals)
    except LateRowsError:
        log.info("rows came late, below the last watermark: reading all of the source")
        pieces = listed(entry, access, [])
        inputs = inputs_of(entry, pieces, access, rows_key)
        lives = living_rows(entry, pieces, access, rows_key, removals, is_last=True)
    parent = Snapshot.find(entry.name, last.snapshot) if last else None
    writer = SnapshotWriter(entry, parent)
    with writer.writing():
        splitter = Splitter(entry, writer.trained)
        writer.add_all(
            part
            for piece, living in zip(pieces, lives, strict=True)
            for table in piece_tables(entry, piece, access, rows_key, living, removals)
            for part in splitter.parts(piece, table)
        )
        has_scheme = "scheme" in (entry.format or {}) and writer.tally.reasons["tag_scheme"]
        schemes = rejected_by_scheme(entry, pieces, access) if has_scheme else {}
        snapshot, is_new = writer.commit(splitter.num_removed, splitter.notes, schemes)
    history.append(
        Ingestion(
            snapshot=snapshot.digest,
            parent=parent.digest if parent else "",
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


def listed(entry: Dataset, access: Access, known: list[Piece]) -> list[Piece]:
    """The pieces of a dataset's source.

    Raises:
        RowError: If there is nothing of what the entry names; says which entry.
    """
    try:
        return pieces_of(entry, access, known)
    except RowError as error:
        raise RowError(f"{entry.file}, entry {entry.name}, source: {error}") from None


def inputs_of(entry: Dataset, pieces: list[Piece], access: Access, rows_key: str) -> str:
    """A digest of all that a snapshot is made from; never the same where a source cannot tell."""
    versions = [(piece.split, piece.name, piece.version, piece.mark) for piece in pieces]
    source = entry.source
    state = source.state(access) if isinstance(source, GrowingSource) else ""
    is_unknown = any(not piece.version for piece in pieces)
    return digest(rows_key, versions, state, uuid.uuid4().hex if is_unknown else "")


def check_share(entry: Dataset, snapshot: Snapshot) -> None:
    """Refuse to go on with a snapshot of which too many rows were refused, or a split is empty.

    Raises:
        RowError: With the reasons and some rows of each.
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
        raise RowError(
            f"{entry.name}: {damaged:,} of {total:,} rows were refused, more than checks.max_refused_share "
            f"{entry.rules.max_refused_share:.0%} allows ({', '.join(HARMLESS)} not counted), so nothing was trained. "
            f"All of them: {snapshot.folder / 'refused.parquet'}. Some of each reason:\n{_shown(shown)}"
        )
    empty = [split for split in SPLITS if not snapshot.rows.get(split)]
    if empty:
        raise RowError(
            f"{entry.name}: split {empty[0]} has no rows ({total} read{'; refused: ' + reasons if reasons else ''}). "
            "Expected at least one in each of train, validation and test: look at columns, where, labels "
            "and splits of its catalog entry."
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
    """A digest of the code that makes the rows of a dataset and counts them: of its source and its format only."""
    looked_up = [path_of(type(entry.source).__module__)]
    if entry.format:
        looked_up.append(path_of(format_module(entry.format["kind"])))
    return code_digest(*ROWS, *looked_up, libraries=("pyarrow", "pandas"))
