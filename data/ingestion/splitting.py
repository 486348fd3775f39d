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
from data.ingestion.rejected_copies import (
    CONFLICT,
    DUPLICATE,
    LEAK,
    TEST,
    TRAIN,
    VALIDATION,
    rejected_copies,
)
from data.rows.arrow_text import hashes, normalized
from data.rows.check_settings import SINGLE_TARGETS
from data.rows.checks import check
from data.rows.hash_set import Hashes, Seen
from data.rows.removals import REMOVED, Removals, blanked
from data.rows.split_column import SPLIT, rows_of_split
from data.rows.splits import SPLIT_KEY, SPLITS, assign, row_hashes
from data.sources.base import Access, ByteSource, Partition, TableSource

REFUSED = "refused"
NO_REMOVALS = Removals()
Note = dict[str, Any]  # number of occurrences (``count``), ``file`` and ``row`` of the first


@dataclass(frozen=True)
class Part:
    """Some rows of one split, or rejected rows with their reasons.

    ``hashes`` are of whole rows, ``sides`` of their source sides.
    """

    split: str
    table: pa.Table
    hashes: Hashes = field(default_factory=lambda: np.zeros(0, np.uint64))
    sides: Hashes = field(default_factory=lambda: np.zeros(0, np.uint64))


def checked_tables(
    dataset: Dataset, partition: Partition, access: Access, removals: Removals = NO_REMOVALS
) -> Iterator[pa.Table]:
    """Read one partition of a source and check each row by itself.

    Yields:
        Tables with the dataset's roles (and ``key``), ``row``, and ``kind``,
        ``reason`` and ``raw`` of the rejected rows. Rows on the removal list
        keep only row and key.

    Raises:
        RowError: If the partition does not fit the catalog entry; names both.
    """
    columns = {**dataset.columns, **{f"where.{name}": name for name in dataset.where}}
    if dataset.split_column != "":
        columns[SPLIT] = dataset.split_column
    try:
        for table in _raw_tables(dataset, partition, columns, access):
            for wanted, value in dataset.where.items():
                is_wanted = pc.fill_null(pc.equal(table[f"where.{wanted}"], value), True)
                table = table.filter(is_wanted).drop_columns([f"where.{wanted}"])
            if SPLIT in columns:
                table = rows_of_split(table, partition.split)
            if table.num_rows:
                if "tags" in dataset.roles:
                    table = named_tags(table, dataset.labels)
                checked = check(
                    table,
                    dataset.rules,
                    dataset.labels,
                    roles=dataset.roles,
                    is_characters=dataset.tokenizer == "characters",
                )
                yield blanked(checked, removals, dataset.roles[0])
    except RowError as error:
        is_named = partition.name in str(error)
        where = dataset.name if is_named else f"{dataset.name}, {partition.name}"
        raise RowError(access.hide(f"{where}: {error}")) from None


def partitions_of(
    dataset: Dataset, access: Access, known: Sequence[Partition] = ()
) -> list[Partition]:
    """List the partitions of a dataset to read now.

    Where a column names the splits, each partition is listed once per split, test first.
    """
    partitions = list(dataset.source.pieces(access, known))
    if dataset.split_column == "":
        return partitions
    return [
        replace(partition, split=split)
        for split in ("test", "validation", "train")
        for partition in partitions
    ]


def rejected_by_scheme(
    dataset: Dataset, partitions: Sequence[Partition], access: Access
) -> dict[str, int]:
    """Count the rows with broken tags under each scheme, in the first rows of a dataset."""
    found = {}
    for scheme in SCHEMES:
        other = replace(dataset, format={**(dataset.format or {}), "scheme": scheme})
        kinds = Counter[str]()
        num = 0
        for table in chain.from_iterable(
            checked_tables(other, partition, access) for partition in partitions
        ):
            kinds.update(table["kind"].drop_null().to_pylist())
            num += table.num_rows
            if num >= SCHEME_ROWS:
                break
        found[scheme] = kinds["tag_scheme"]
    return found


def _raw_tables(
    dataset: Dataset, partition: Partition, columns: dict[str, str | int], access: Access
) -> Iterator[pa.Table]:
    source = dataset.source
    if isinstance(source, ByteSource):
        options = dataset.format or {}
        kind = all_formats()[options["kind"]]

        def rows(wanted: Columns) -> Iterator[pa.Table]:
            with source.open(partition, access) as streams:
                yield from kind.rows(
                    streams, wanted, options, has_compression=hasattr(source, "compression")
                )

        yield from read_with_path(
            rows, columns, partition.name, kind, has_header=bool(options.get("header"))
        )
        return
    if not isinstance(source, TableSource):
        raise TypeError(f"{type(source).__name__} gives neither bytes nor tables")
    names = {role: str(name) for role, name in columns.items()}
    first = 1
    for table in source.tables(partition, names, access):
        yield from_columns(table, {role: role for role in names}, first)
        first += table.num_rows


class Splitter:
    """Sends checked rows to their splits, and remembers the hashes of all rows so far."""

    def __init__(self, dataset: Dataset, trained: Hashes | None = None) -> None:
        """Begin a dataset; ``trained`` are hashes of the texts of all earlier training splits."""
        self.dataset = dataset
        self.seen = Seen()
        self.in_test = Seen()
        self.in_validation = Seen()
        self.trained = Seen(trained)
        self.num_removed = 0
        self.notes: dict[str, Note] = {}

    def parts(self, partition: Partition, table: pa.Table) -> Iterator[Part]:
        """Send each row of a checked table to its split or to the rejected rows.

        Rows on the removal list go nowhere.
        """
        is_fine = pc.is_null(table["kind"])
        if not pc.all(is_fine).as_py():
            is_removed = pc.fill_null(pc.equal(table["kind"], REMOVED), False)
            self.num_removed += pc.sum(is_removed, min_count=0).as_py()
            is_note = pc.is_in(table["kind"], pa.array(list(NOTES), TEXT))
            self._note(table.filter(is_note), partition)
            is_refused = pc.invert(pc.or_(is_fine, pc.or_(is_removed, is_note)))
            yield from _refused(table.filter(is_refused), partition)
            table = table.filter(is_fine)
        if table.num_rows:
            yield from self._fine_parts(partition, table)

    def _note(self, table: pa.Table, partition: Partition) -> None:
        """Count the notes of a partition, with file and row of the first of each kind."""
        for kind, row in zip(table["kind"].to_pylist(), table["row"].to_pylist(), strict=True):
            first = self.notes.setdefault(kind, {"count": 0, "file": partition.name, "row": row})
            first["count"] += 1

    def _fine_parts(self, partition: Partition, table: pa.Table) -> Iterator[Part]:
        roles = self.dataset.roles
        named = self._with_our_labels(table)
        sides = hashes(normalized(named[roles[0]]), SPLIT_KEY)
        rows = row_hashes(sides, normalized(named[roles[1]]) if len(roles) > 1 else None)
        split = self._split_of(partition, sides)
        kinds = self._faults(partition, split, sides, rows)
        is_kept = kinds == 0
        if not is_kept.all():
            copies = rejected_copies(table, split, kinds, roles=roles)
            yield from _refused(copies, partition)
        for index, name in enumerate(SPLITS):
            chosen = is_kept & (split == index)
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

    def _split_of(self, partition: Partition, sides: Hashes) -> NDArray[np.int8]:
        if partition.split in ("all", "train"):
            shares = {
                name: share
                for name, share in self.dataset.splits.items()
                if partition.split == "all" or name != "test"
            }
            return assign(sides, shares)
        return np.full(len(sides), SPLITS.index(partition.split), dtype=np.int8)

    def _faults(
        self, partition: Partition, split: NDArray[np.int8], sides: Hashes, rows: Hashes
    ) -> NDArray[np.int8]:
        """Find the rows that are rejected because of other rows, by the index of their kind."""
        rules = self.dataset.rules
        has_own_splits = partition.split != "all"
        found = np.zeros(len(sides), dtype=np.int8)
        # Where we split, the text alone decides the split, so no text is in two of them.
        if has_own_splits and rules.leaks == "refuse":
            found[self._leaks(split, sides)] = LEAK
        if rules.repeats == "keep" or (rules.repeats == "own" and has_own_splits):
            return found
        stays = np.flatnonzero(found == 0)
        is_text_key = bool(set(SINGLE_TARGETS) & set(self.dataset.roles))
        keys = sides if is_text_key else rows
        values = rows.astype(np.uint32)
        is_new, first = self.seen.put(keys[stays], values[stays])
        is_copy = first == values[stays]
        found[stays] = np.where(is_new, 0, np.where(is_copy, DUPLICATE, CONFLICT))
        return found

    def _leaks(self, split: NDArray[np.int8], sides: Hashes) -> NDArray[np.bool_]:
        """Mark rows whose text is also in a split before theirs: test, validation, train."""
        is_test = split == TEST
        is_validation = split == VALIDATION
        leaks = (
            is_test & self.trained.has(sides) if is_test.any() else np.zeros(len(sides), dtype=bool)
        )
        self.in_test.put(sides[is_test & ~leaks])
        leaks |= ~is_test & self.in_test.has(sides)
        self.in_validation.put(sides[is_validation & ~leaks])
        return np.asarray(leaks | (split == TRAIN) & self.in_validation.has(sides))


def _refused(table: pa.Table, partition: Partition) -> Iterator[Part]:
    if table.num_rows:
        columns = [
            pa.array([partition.name] * table.num_rows),
            *(table[name] for name in ("row", "kind", "reason", "raw")),
        ]
        yield Part(REFUSED, pa.table(columns, names=["file", "row", "kind", "reason", "raw"]))
