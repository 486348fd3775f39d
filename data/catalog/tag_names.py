"""Names of tags: the publisher's names replaced by those of ``labels`` in a catalog entry."""

import re
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.formats.base import KIND, REASON, TEXT

NUMBER = re.compile(r"-?\d+")
TAG = re.compile(r"O|[BI]-.+")
UNNAMED = (
    "is a number without a name: name each number in labels of the entry, "
    "as {0: O, 1: B-PER, 2: I-PER}"
)


def named_tags(table: pa.Table, labels: Mapping[str, str]) -> pa.Table:
    """Replace tags by their names in ``labels``; a tag without one is an ``unknown_label``.

    Args:
        table: As a format yields it.
        labels: The publisher's tags to tags in BIO. Empty takes them
            unchanged, which is not possible for whole numbers.
    """
    rows = table["tags"].combine_chunks()
    flat = rows.flatten()
    distinct = pc.unique(flat.drop_null()).to_pylist()
    unnamed = [tag for tag in distinct if (tag not in labels if labels else NUMBER.fullmatch(tag))]
    if not labels and not unnamed:
        return table
    lengths = pc.fill_null(pc.list_value_length(rows), 0).to_numpy(zero_copy_only=False)
    if labels:
        names = pa.array(list(labels.values()), TEXT).take(
            pc.index_in(flat, pa.array(list(labels), TEXT))
        )
        offsets = pa.array(np.append(0, np.cumsum(lengths)), pa.int32())
        named = pa.ListArray.from_arrays(offsets, pc.coalesce(names, flat), mask=pc.is_null(rows))
        table = table.set_column(table.column_names.index("tags"), "tags", named)
    return _with_unnamed(table, flat, lengths, unnamed, labels) if unnamed else table


def _with_unnamed(
    table: pa.Table,
    flat: pa.Array,
    lengths: np.ndarray,
    unnamed: list[str],
    labels: Mapping[str, str],
) -> pa.Table:
    """Reject each row that has a tag without a name and no other fault."""
    positions = np.flatnonzero(
        pc.is_in(flat, pa.array(unnamed, TEXT)).to_numpy(zero_copy_only=False)
    )
    hit, first = np.unique(
        np.searchsorted(np.cumsum(lengths), positions, side="right"), return_index=True
    )
    kinds = table[KIND].to_pylist()
    reasons = table[REASON].to_pylist()
    known = ", ".join(labels)
    for row, position in zip(hit.tolist(), positions[first].tolist(), strict=True):
        if kinds[row] is None:
            why = f"has no name in labels, expected one of {known}" if labels else UNNAMED
            kinds[row] = "unknown_label"
            reasons[row] = f"tag {flat[position].as_py()!r} {why}"
    for name, values in ((KIND, kinds), (REASON, reasons)):
        table = table.set_column(table.column_names.index(name), name, pa.array(values, TEXT))
    return table
