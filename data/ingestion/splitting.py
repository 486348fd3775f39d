"""The rows of a dataset, from its source to their splits, as a stream of tables."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.catalog.catalog import Dataset
from data.catalog.tag_names import named_tags
from data.errors import RowError
from data.formats.base import NOTES, TEXT, Columns, all_formats
from data.formats.columnar import from_columns
from data.formats.tags import SCHEME_ROWS, SCHEMES
from data.ingestion.path_columns import read_with_path
from data.rows.arrow_text import hashes, normalised
from data.rows.check_settings import SINGLE_TARGETS
from data.rows.checks import check, raw_of
from data.rows.hash_set import Hashes, Seen
from data.rows.removals import REMOVED, Removals, blanked
from data.rows.split_column import SPLIT, rows_of_split
from data.rows.splits import SPLIT_KEY, SPLITS, assign, row_hashes
from data.sources.base import Access, Piece

REFUSED = "refused"
NOBODY = Removals()
Note = dict[
    str, Any
]  # how often something was noted (``count``), and the file and row where it was first
TEST, VALIDATION, TRAIN = (SPLITS.index(name) for name in ("test", "validation", "train"))


@dataclass(frozen=True)
class Part:
    """Some rows of one split, hashes of them and of their source sides (or refused ones, with their reasons)."""

    split: str
    table: pa.Table
    hashes: Hashes = field(default_factory=lambda: np.zeros(0, np.uint64))
    sides: Hashes = field(default_factory=lambda: np.zeros(0, np.uint64))


def checked_tables(
    dataset: Dataset, piece: Piece, access: Access, removals: Removals = NOBODY
) -> Iterator[pa.Table]:
    """Read one piece of a source and check each row by itself.

    Yields:
        Tables with the dataset's roles (and ``key``), ``row``, and ``kind``,
        ``reason`` and ``raw`` of the rows that must be refused. Of who is to
        be forgotten nothing is in them but row and key.

    Raises:
        RowError: If the piece is not what the catalog says; names dataset and piece.
    """
    columns = {**dataset.columns, **{f"where.{name}": name for name in dataset.where}}
    if dataset.split_column != "":
        columns[SPLIT] = dataset.split_column
    try:
        for table in _raw_tables(dataset, piece, columns, access):
            for wanted, value in dataset.where.items():
                is_wanted = pc.fill_null(pc.equal(table[f"where.{wanted}"], value), True)
                table = table.filter(is_wanted).drop_columns([f"where.{wanted}"])
            if SPLIT in columns:
                table = rows_of_split(table, piece.split)
            if table.num_rows:
                if "tags" in dataset.roles:
                    table = named_tags(table, dataset.labels)
                rules, roles = dataset.rules, dataset.roles
                checked = check(
                    table,
                    rules,
                    dataset.labels,
                    roles=roles,
                    is_characters=dataset.tokenizer == "characters",
                )
                yield blanked(checked, removals, roles[0])
    except RowError as error:
        where = dataset.name if piece.name in str(error) else f"{dataset.name}, {piece.name}"
        raise RowError(access.hide(f"{where}: {error}")) from None


def pieces_of(dataset: Dataset, access: Access, known: Sequence[Piece] = ()) -> list[Piece]:
    """List what there is to read of a dataset now; where a column names the splits, once for each, test first."""
    pieces = list(dataset.source.pieces(access, known))
    if dataset.split_column == "":
        return pieces
    return [
        replace(piece, split=split) for split in ("test", "validation", "train") for piece in pieces
    ]


def rejected_by_scheme(dataset: Dataset, pieces: Sequence[Piece], access: Access) -> dict[str, int]:
    """Count the rows whose tags are broken under each scheme of tags, in the first rows of a dataset."""
    found = {}
    for scheme in SCHEMES:
        other = replace(dataset, format={**(dataset.format or {}), "scheme": scheme})
        kinds, num = Counter[str](), 0
        for table in chain.from_iterable(checked_tables(other, piece, access) for piece in pieces):
            kinds.update(table["kind"].drop_null().to_pylist())
            num += table.num_rows
            if num >= SCHEME_ROWS:
                break
        found[scheme] = kinds["tag_scheme"]
    return found


def _raw_tables(
    dataset: Dataset, piece: Piece, columns: dict[str, str | int], access: Access
) -> Iterator[pa.Table]:
    source = dataset.source
    if dataset.format is not None:
        kind, options = all_formats()[dataset.format["kind"]], dataset.format

        def rows(wanted: Columns) -> Iterator[pa.Table]:
            with source.open(piece, access) as streams:
                yield from kind.rows(
                    streams, wanted, options, has_compression=hasattr(source, "compression")
                )

        yield from read_with_path(
            rows, columns, piece.name, kind, has_header=bool(options.get("header"))
        )
        return
    names, first = {role: str(name) for role, name in columns.items()}, 1
    for table in source.tables(piece, names, access):
        yield from_columns(table, {role: role for role in names}, first)
        first += table.num_rows


class Splitter:
    """Sends checked rows to their splits, and remembers what it saw."""

    def __init__(self, dataset: Dataset, trained: Hashes | None = None) -> None:
        """Begin a dataset; ``trained`` are hashes of the texts that were ever trained on."""
        self.dataset = dataset
        self.seen, self.in_test, self.in_validation, self.trained = (
            Seen(),
            Seen(),
            Seen(),
            Seen(trained),
        )
        self.num_removed = 0
        self.notes: dict[str, Note] = {}

    def parts(self, piece: Piece, table: pa.Table) -> Iterator[Part]:
        """Send each row of a checked table to its split or to the refused; who is to be forgotten to neither."""
        is_fine = pc.is_null(table["kind"])
        if not pc.all(is_fine).as_py():
            is_removed = pc.fill_null(pc.equal(table["kind"], REMOVED), False)
            self.num_removed += pc.sum(is_removed, min_count=0).as_py()
            is_note = pc.is_in(table["kind"], pa.array(list(NOTES), TEXT))
            self._note(table.filter(is_note), piece)
            is_refused = pc.invert(pc.or_(is_fine, pc.or_(is_removed, is_note)))
            yield from _refused(table.filter(is_refused), piece)
            table = table.filter(is_fine)
        if table.num_rows:
            yield from self._fine_parts(piece, table)

    def _note(self, table: pa.Table, piece: Piece) -> None:
        """Count what is noted of a piece, with the first place of each kind."""
        for kind, row in zip(table["kind"].to_pylist(), table["row"].to_pylist(), strict=True):
            first = self.notes.setdefault(kind, {"count": 0, "file": piece.name, "row": row})
            first["count"] += 1

    def _fine_parts(self, piece: Piece, table: pa.Table) -> Iterator[Part]:
        roles = self.dataset.roles
        named = self._with_our_labels(table)
        sides = hashes(normalised(named[roles[0]]), SPLIT_KEY)
        rows = row_hashes(sides, normalised(named[roles[1]]) if len(roles) > 1 else None)
        split = self._split_of(piece, sides)
        kinds = self._faults(piece, split, sides, rows)
        is_kept = kinds == 0
        if not is_kept.all():
            yield from self._refused_copies(piece, table, split, kinds)
        for place, name in enumerate(SPLITS):
            chosen = is_kept & (split == place)
            if chosen.any():
                yield Part(
                    name,
                    named.select(list(roles)).filter(pa.array(chosen)),
                    rows[chosen],
                    sides[chosen],
                )

    def _with_our_labels(self, table: pa.Table) -> pa.Table:
        labels = self.dataset.labels
        if "label" not in self.dataset.roles or not labels:
            return table
        ours = pa.array(list(labels.values())).take(
            pc.index_in(table["label"].combine_chunks(), pa.array(list(labels), TEXT))
        )
        return table.set_column(
            table.column_names.index("label"), "label", pa.chunked_array([ours])
        )

    def _split_of(self, piece: Piece, sides: Hashes) -> NDArray[np.int8]:
        if piece.split in ("all", "train"):
            shares = {
                name: share
                for name, share in self.dataset.splits.items()
                if piece.split == "all" or name != "test"
            }
            return assign(sides, shares)
        return np.full(len(sides), SPLITS.index(piece.split), dtype=np.int8)

    def _faults(
        self, piece: Piece, split: NDArray[np.int8], sides: Hashes, rows: Hashes
    ) -> NDArray[np.int8]:
        """Number the rows that must go: 1 leak, 2 duplicate, 3 conflict; 0 stays."""
        found = np.zeros(len(sides), dtype=np.int8)
        if (
            piece.split != "all" and self.dataset.rules.leaks == "refuse"
        ):  # where we split, the text alone decides, and no text stands in two
            found[self._leaks(split, sides)] = 1
        if self.dataset.rules.repeats == "keep" or (
            self.dataset.rules.repeats == "own" and piece.split != "all"
        ):
            return found
        stays = np.flatnonzero(found == 0)
        is_text_key = bool(set(SINGLE_TARGETS) & set(self.dataset.roles))
        keys = sides if is_text_key else rows
        values = rows.astype(np.uint32)
        is_new, first = self.seen.put(keys[stays], values[stays])
        found[stays] = np.where(is_new, 0, np.where(first == values[stays], 2, 3))
        return found

    def _leaks(self, split: NDArray[np.int8], sides: Hashes) -> NDArray[np.bool_]:
        """Mark rows whose text stands in a split that goes before theirs: test, then validation, then train."""
        is_test, is_validation = split == TEST, split == VALIDATION
        leaks = (
            is_test & self.trained.has(sides) if is_test.any() else np.zeros(len(sides), dtype=bool)
        )
        self.in_test.put(sides[is_test & ~leaks])
        leaks |= ~is_test & self.in_test.has(sides)
        self.in_validation.put(sides[is_validation & ~leaks])
        return np.asarray(leaks | (split == TRAIN) & self.in_validation.has(sides))

    def _refused_copies(
        self, piece: Piece, table: pa.Table, split: NDArray[np.int8], kinds: NDArray[np.int8]
    ) -> Iterator[Part]:
        """Refuse rows because of other rows, with the publisher's label in what stood there."""
        gone = np.flatnonzero(kinds)
        other = next((role for role in SINGLE_TARGETS if role in self.dataset.roles), "label")
        says = {
            2: "the same row stood before",
            3: f"the same text stood before with another {other.removesuffix('s')}",
        }
        reasons = [
            says.get(kind) or _leak(place)
            for kind, place in zip(kinds[gone].tolist(), split[gone].tolist(), strict=True)
        ]
        names = np.asarray(["", "leak", "duplicate", "conflict"], dtype=object)[kinds[gone]]
        refused = table.take(pa.array(gone))
        columns = {
            "kind": pa.array(names, TEXT),
            "reason": pa.array(reasons, TEXT),
            "raw": raw_of(refused, self.dataset.roles),
        }
        for name, values in columns.items():
            refused = refused.set_column(refused.column_names.index(name), name, values)
        yield from _refused(refused, piece)


def _leak(split: int) -> str:
    if split == TEST:
        return "test: the text was trained on in an earlier snapshot"
    return f"{SPLITS[split]}: the same text stands in {'test' if split == VALIDATION else 'validation or test'}"


def _refused(table: pa.Table, piece: Piece) -> Iterator[Part]:
    if table.num_rows:
        columns = [
            pa.array([piece.name] * table.num_rows),
            *(table[name] for name in ("row", "kind", "reason", "raw")),
        ]
        yield Part(REFUSED, pa.table(columns, names=["file", "row", "kind", "reason", "raw"]))
