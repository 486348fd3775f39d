"""A column that names the split of each row."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.catalog.yaml_entries import Entry
from data.errors import RowError
from data.formats.base import KIND, RAW, REASON, TEXT

SPLIT = "split"  # role of the column
COLUMN = "column"  # its key in an entry
SPELLINGS = {
    **dict.fromkeys(("train", "training", "trn", "tr"), "train"),
    **dict.fromkeys(
        ("validation", "valid", "val", "dev", "devel", "development", "validate"), "validation"
    ),
    **dict.fromkeys(("test", "testing", "tst", "te"), "test"),
}


def rows_of_split(table: pa.Table, split: str) -> pa.Table:
    """Pick the rows of one split, and drop the column.

    Invalid rows have no split: they come with those of train, once, as do rows
    whose split has an unknown name (``unknown_split``).

    Args:
        table: As a format yields it, with the column ``split``.
        split: One of train, validation and test.
    """
    given = pc.utf8_lower(pc.utf8_trim_whitespace(table[SPLIT]))
    names = pc.index_in(given, pa.array(list(SPELLINGS), TEXT)).combine_chunks()
    meant = pa.array(list(SPELLINGS.values()), TEXT).take(names)
    is_wanted = pc.fill_null(pc.equal(meant, split), split == "train")
    chosen = table.filter(is_wanted)
    has_no_name = pc.is_null(meant.filter(is_wanted))
    is_unknown = pc.and_(has_no_name, pc.is_null(chosen[KIND])).to_numpy()
    if np.any(is_unknown):
        chosen = _with_unknown(chosen, is_unknown)
    return chosen.drop_columns([SPLIT])


def _with_unknown(table: pa.Table, is_unknown: np.ndarray) -> pa.Table:
    kinds, reasons, raw = (table[name].to_pylist() for name in (KIND, REASON, RAW))
    for index in np.flatnonzero(is_unknown).tolist():
        value = table[SPLIT][index].as_py()
        kinds[index] = "unknown_split"
        reasons[index] = (
            "expected train, validation or test (or dev, val, valid, testing ...) as its split, "
            f"got {value!r}"
        )
    for name, values in ((KIND, kinds), (REASON, reasons), (RAW, raw)):
        table = table.set_column(
            table.column_names.index(name), name, pa.chunked_array([pa.array(values, TEXT)])
        )
    return table


def split_column_of(entry: Entry, source: Any, keys: Sequence[str]) -> str | int:
    """Read the column that names the split of each row; empty if there is none.

    Args:
        entry: The part ``splits`` of a catalog entry.
        source: Of the dataset.
        keys: Fields of sources that map splits to files.

    Raises:
        RowError: If it is no column, or the source has splits itself.
    """
    if COLUMN not in entry.content:
        return ""
    column = entry.content[COLUMN]
    if not isinstance(column, str | int) or isinstance(column, bool) or column == "":
        raise RowError(
            f"{entry.where}: {COLUMN} must be the name or the number of a column, got {column!r}"
        )
    if not any(set(getattr(source, name, ())) == {"all"} for name in keys):
        raise RowError(
            f"{entry.where}: {COLUMN} needs a source that gives all rows at once, "
            "as paths: {all: ...}"
        )
    return column
